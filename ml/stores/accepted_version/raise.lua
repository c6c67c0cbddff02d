-- Notes an accepted model version unless a later one is noted already.
--
-- KEYS
--   1  hash   the mark: version, seal                   HGET, HSET
-- ARGV
--   1  version            2  its seal
--
-- Version ids sort by their time. Returns 1 if the mark was set.

local known = redis.call('HGET', KEYS[1], 'version')
if known and known >= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'seal', ARGV[2])
return 1
