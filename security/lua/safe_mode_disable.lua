-- Turns SAFE MODE off, and audits it if it was on.
-- KEYS[1]  hash   the state: enabled, reason, by, since
-- KEYS[2]  list   the audit, newest first
-- ARGV     by, at, most events kept
-- Returns  the values of enabled, reason, by, since
local by, at, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])

if redis.call('HGET', KEYS[1], 'enabled') == '1' then
  redis.call('LPUSH', KEYS[2], cjson.encode({action = 'disabled', reason = '', by = by, at = at}))
  redis.call('LTRIM', KEYS[2], 0, limit - 1)
  redis.call('HSET', KEYS[1], 'enabled', '0', 'reason', '', 'by', by, 'since', at)
end
return redis.call('HMGET', KEYS[1], 'enabled', 'reason', 'by', 'since')
