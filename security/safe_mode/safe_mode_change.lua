-- Changes SAFE MODE, or only audits, unless another process changed the state meanwhile.
--
-- KEYS
--   1  hash   the state: enabled, reason, by, since, seal    TYPE, DEL, HGET, HSET
--   2  list   the audit, newest first                        TYPE, DEL, LINDEX, LPUSH, LTRIM
-- ARGV
--   1  seal of the state that the caller saw; empty for none
--   2  event, JSON with action, reason, by, at and seal
--   3  most events kept
--   4… the new state: enabled, reason, by, since, seal; none if it stays
--
-- An event that repeats the newest one's action, reason and author is left out. Returns 1, or 0 if the state is another
-- than the caller saw. What is no hash or no list was not written by us, and goes.

for place, kind in ipairs({'hash', 'list'}) do
  local found = redis.call('TYPE', KEYS[place]).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', KEYS[place]) end
end

if (redis.call('HGET', KEYS[1], 'seal') or '') ~= ARGV[1] then return 0 end

local function repeats(newest, event)
  if not newest then return false end
  local readable, known = pcall(cjson.decode, newest)
  return readable and type(known) == 'table'
    and known.action == event.action and known.reason == event.reason and known.by == event.by
end

if not repeats(redis.call('LINDEX', KEYS[2], 0), cjson.decode(ARGV[2])) then
  redis.call('LPUSH', KEYS[2], ARGV[2])
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[3]) - 1)
end
if #ARGV > 3 then
  redis.call('HSET', KEYS[1], 'enabled', ARGV[4], 'reason', ARGV[5], 'by', ARGV[6], 'since', ARGV[7], 'seal', ARGV[8])
end
return 1
