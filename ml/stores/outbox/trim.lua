-- Removes from a stream what every expected group has acknowledged. A group that does not exist yet keeps everything.
--
-- KEYS
--   1  stream                                   XINFO, XPENDING, XTRIM
-- ARGV
--   1…  the groups that must have acknowledged
--
-- Returns how many entries were removed.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end

local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local function before(a, b)
  local a_ms, a_sequence = parts(a)
  local b_ms, b_sequence = parts(b)
  return a_ms < b_ms or (a_ms == b_ms and a_sequence < b_sequence)
end

local delivered = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local fields = {}
  for index = 1, #group, 2 do fields[group[index]] = group[index + 1] end
  delivered[fields['name']] = fields['last-delivered-id']
end

local keep_from
for _, name in ipairs(ARGV) do
  local last = delivered[name]
  if not last then return 0 end
  local oldest = redis.call('XPENDING', KEYS[1], name)[2]
  if not oldest then
    local ms, sequence = string.match(last, '^(%d+)-(%d+)$')
    oldest = ms .. '-' .. string.format('%d', tonumber(sequence) + 1)
  end
  if not keep_from or before(oldest, keep_from) then keep_from = oldest end
end
return redis.call('XTRIM', KEYS[1], 'MINID', keep_from)
