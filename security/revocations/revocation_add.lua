-- Puts a revocation on the list and drops those that have expired.
-- KEYS[1]  hash        the entries by name
-- KEYS[2]  sorted set  the names by the epoch seconds at which each expires
-- KEYS[3]  string      the version
-- ARGV     name, entry, its expiry, now (epoch seconds), the new version
-- All three keys end with the last entry.
local name, entry, expires_at, now, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('HDEL', KEYS[1], expired)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)

redis.call('HSET', KEYS[1], name, entry)
redis.call('ZADD', KEYS[2], expires_at, name)
redis.call('SET', KEYS[3], version)

local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
for _, key in ipairs(KEYS) do
  redis.call('EXPIREAT', key, last)
end
