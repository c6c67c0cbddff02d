-- Notes an accepted model version unless a later one is noted already, or an administrator has set the mark since.
--
-- KEYS
--   1  hash   the mark: version, seal, override         HGET, HSET
-- ARGV
--   1  version            2  its seal        3  the override that the caller saw; empty for none
--
-- Version ids sort by their time. Returns 0 if another override holds than the caller saw, else 1.

if (redis.call('HGET', KEYS[1], 'override') or '') ~= ARGV[3] then return 0 end
local known = redis.call('HGET', KEYS[1], 'version')
if known and known >= ARGV[1] then return 1 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'seal', ARGV[2])
return 1
