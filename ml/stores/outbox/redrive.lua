-- Puts dead letters back into their stream, for their own group alone; a letter that is gone already is passed over.
--
-- KEYS
--   1  dead-letter stream of the group          XRANGE, XDEL
--   2  stream                                   XADD
--   3  awaiting set of the group                ZADD
-- ARGV
--   1  group
--   2… letter ids
--
-- Returns how many letters were put back.

local redriven = 0
for index = 2, #ARGV do
  local letter = redis.call('XRANGE', KEYS[1], ARGV[index], ARGV[index])[1]
  if letter then
    local fields = {}
    for place = 1, #letter[2], 2 do fields[letter[2][place]] = letter[2][place + 1] end
    -- A letter that lacks one was not written by us: its drain refuses it, and the letters after it are put back.
    local id, event = fields['id'] or '', fields['event'] or ''
    local entry_id = redis.call('XADD', KEYS[2], '*', 'id', id, 'event', event, 'only', ARGV[1])
    if fields['id'] then redis.call('ZADD', KEYS[3], string.match(entry_id, '^%d+'), id) end
    redis.call('XDEL', KEYS[1], ARGV[index])
    redriven = redriven + 1
  end
end
return redriven
