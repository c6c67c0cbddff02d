-- Places transactions on shards: one that has a place keeps it, and its life begins anew.
--
-- KEYS
--   1…  placement of a transaction, one per item    GET, SET EX, EXPIRE
-- ARGV
--   1   life, s
--   2…  the proposed shard, one per item
--
-- Returns per item the shard that it had, or an empty string if it got the proposed one.

local life = ARGV[1]
-- No shard's name: what somebody else wrote under a placement's key costs its own transaction alone.
local foreign = '?'
local held = {}
for item = 1, #KEYS do
  held[item] = redis.pcall('GET', KEYS[item])
  if type(held[item]) == 'table' then
    held[item] = foreign
  elseif held[item] then
    redis.call('EXPIRE', KEYS[item], life)
  else
    redis.call('SET', KEYS[item], ARGV[item + 1], 'EX', life)
    held[item] = ''
  end
end
return held
