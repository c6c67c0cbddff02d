-- Takes a revocation off the list.
-- KEYS[1]  hash        the entries by name
-- KEYS[2]  sorted set  the names by the epoch seconds at which each expires
-- KEYS[3]  string      the version
-- ARGV     name, the new version
-- Returns  1 if it was on the list, else 0, and then nothing changes
local name, version = ARGV[1], ARGV[2]

if redis.call('HDEL', KEYS[1], name) == 0 then
  return 0
end
redis.call('ZREM', KEYS[2], name)
redis.call('SET', KEYS[3], version, 'KEEPTTL')
return 1
