-- Puts an event into the stream again, for one group alone, unless what the group awaits has changed meanwhile: its drain
-- may have acknowledged the transaction, or another repair may have been faster.
--
-- KEYS
--   1  stream                                   XADD
--   2  awaiting set of the group                ZSCORE, ZADD
-- ARGV
--   1  group            2  transaction id       3  event
--   4  since when the transaction is awaited as far as the caller knows, epoch ms; empty if it is not
--
-- Returns whether the event was put back (0|1).

local since = redis.call('ZSCORE', KEYS[2], ARGV[2])
if (since and tonumber(since)) ~= (tonumber(ARGV[4]) or false) then return 0 end
local entry_id = redis.call('XADD', KEYS[1], '*', 'id', ARGV[2], 'event', ARGV[3], 'only', ARGV[1])
redis.call('ZADD', KEYS[2], string.match(entry_id, '^%d+'), ARGV[2])
return 1
