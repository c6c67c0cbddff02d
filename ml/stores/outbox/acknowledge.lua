-- Acknowledges entries of a stream for one group, optionally as dead letters.
--
-- KEYS
--   1  stream                                   XACK
--   2  awaiting set of the group                ZREM   (not touched for dead letters: they are still owed)
--   3  dead-letter stream of the group          XADD   (dead letters only)
-- ARGV
--   1  group            2  reason, empty for a delivery
--   3… per entry: entry id, transaction id, body (body is empty for a delivery)
--
-- Returns how many entries were acknowledged by this call.

local acknowledged = 0
for base = 3, #ARGV, 3 do
  local entry_id, transaction_id = ARGV[base], ARGV[base + 1]
  if redis.call('XACK', KEYS[1], ARGV[1], entry_id) == 1 then
    acknowledged = acknowledged + 1
    if ARGV[2] == '' then
      redis.call('ZREM', KEYS[2], transaction_id)
    else
      redis.call('XADD', KEYS[3], '*', 'entry_id', entry_id, 'id', transaction_id, 'event', ARGV[base + 2],
        'reason', ARGV[2])
    end
  end
end
return acknowledged
