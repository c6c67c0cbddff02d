-- Turns SAFE MODE on. The first cause stands; every new cause is audited, a repeated one is not.
-- KEYS[1]  hash   the state: enabled, reason, by, since
-- KEYS[2]  list   the audit, newest first
-- ARGV     reason, by, at, most events kept
-- Returns  the values of enabled, reason, by, since
local reason, by, at, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local newest = redis.call('LINDEX', KEYS[2], 0)
local repeated = false
if newest then
  local event = cjson.decode(newest)
  repeated = event.action == 'enabled' and event.reason == reason and event.by == by
end
if not repeated then
  redis.call('LPUSH', KEYS[2], cjson.encode({action = 'enabled', reason = reason, by = by, at = at}))
  redis.call('LTRIM', KEYS[2], 0, limit - 1)
end
if redis.call('HGET', KEYS[1], 'enabled') ~= '1' then
  redis.call('HSET', KEYS[1], 'enabled', '1', 'reason', reason, 'by', by, 'since', at)
end
return redis.call('HMGET', KEYS[1], 'enabled', 'reason', 'by', 'since')
