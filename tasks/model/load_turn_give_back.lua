-- Ends a process's turn at loading, unless it has passed to another one meanwhile.
--
-- KEYS
--   1  string   who loads a model now      GET, DEL
-- ARGV
--   1  the process that is done

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
