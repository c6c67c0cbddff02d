-- Puts a request's scoring message on its queue, if the admission call before this one admitted the request and no
-- decision of its transaction is recorded.
--
-- KEYS
--   1  admission:replay:<digest> of the request       GET
--   2  decision record of its transaction             EXISTS
--   3  the queue, a Celery list                       LPUSH
-- ARGV
--   1  the replay key's content if that very call admitted the request
--   2  the message
-- Returns 1 if the message was put on the queue, else 0. A queue that takes none does not fail the admission that came
-- along: the message then goes the usual way, and meets the refusal there.

if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if type(redis.pcall('LPUSH', KEYS[3], ARGV[2])) == 'table' then return 0 end
return 1
