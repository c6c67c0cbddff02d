-- Records a batch of decisions once per transaction and answers the process that waits for them.
--
-- KEYS
--   1  reply list of the waiting web process; empty if the caller waits itself: LPUSH, PEXPIRE
--   2  outbox stream                                  XLEN, XADD
--   3  awaiting set of the explain sink               ZADD
--   4  awaiting set of the publish sink               ZADD
--   5  doorbell of the explain sink                   SET NX PX
--   6  doorbell of the publish sink                   SET NX PX
--   7  prefix of the lists of answered ids; the minute of the server's clock is appended: RPUSH, EXPIRE
--   8… decision record, one per item                  GET, SET EX
-- ARGV
--   1  batch id            2  timings, JSON           3  record TTL, s
--   4  outbox limit, entries                          5  reply TTL, ms
--   6  doorbell TTL, ms                               7  answered ids' TTL, s
--   8… per item: transaction id, fingerprint (32 characters), decision JSON, sealed transaction JSON, sealed outbox
--      event; an empty fingerprint marks an item without a decision: its decision JSON is the whole result.
--
-- A record is `fingerprint .. length of the decision JSON (8 digits) .. decision JSON .. sealed transaction JSON`. The
-- seal is the first member of the transaction's JSON, 44 characters; it is the decision's, and its answer carries it.
-- Whoever can write to Redis may have put anything under any key. What is no record is left as it is and costs the other
-- items nothing. A stream or an awaiting set that cannot be written refuses the batch before anything is recorded;
-- answers that nobody can deliver must not be given. A reply list or a list of answered ids costs only itself.
-- Returns {doorbell of explain was unset (0|1), of publish (0|1), reply}, then one number per item:
--   0 recorded, 1 repeated, 2 conflict, 3 overloaded, 4 passed on, 5 untrusted.
--   The reply is empty if it was pushed to a list.

local FIRST_KEY, FIRST_ARG, ARGS_PER_ITEM = 8, 8, 5
local timings = ARGV[2]
local room = tonumber(ARGV[4]) - redis.call('XLEN', KEYS[2])
for sink = 3, 4 do redis.call('ZADD', KEYS[sink], 'XX', 0, '') end  -- changes nothing, and fails for another type
local RECORDED, REPEATED, CONFLICT, OVERLOADED, PASSED_ON, UNTRUSTED = 0, 1, 2, 3, 4, 5
local recorded, entry_ms = {}, nil
local results, outcomes = {}, {}

local SEAL_PREFIX = '{"seal":"'
-- Source: RFC 3629, section 4; the longest first, so that none leaves a shorter one behind.
local UTF_8 = {
  '\240[\144-\191][\128-\191][\128-\191]', '[\241-\243][\128-\191][\128-\191][\128-\191]',
  '\244[\128-\143][\128-\191][\128-\191]', '\224[\160-\191][\128-\191]', '\237[\128-\159][\128-\191]',
  '[\225-\236\238\239][\128-\191][\128-\191]', '[\194-\223][\128-\191]',
}

local function scored(decision, transaction)
  local seal = ''
  if string.sub(transaction, 1, 9) == SEAL_PREFIX then  -- a record of an earlier version has none
    seal = '"seal":"' .. string.sub(transaction, 10, 53) .. '",'
  end
  return '{"status":"scored",' .. seal .. '"decision":' .. decision .. ',"timings":' .. timings .. '}'
end

-- Returns whether every number in a JSON text, and its encoding, is one that JSON knows: cjson takes NaN, hexadecimals
-- and any bytes as well.
local function is_strict(json)
  local bare = string.gsub(string.gsub(json, '\\.', ''), '"[^"]*"', '')
  for token in string.gmatch(bare, '[^%s{}%[%]:,]+') do
    if token ~= 'true' and token ~= 'false' and token ~= 'null' then
      local whole, rest = string.match(token, '^%-?(%d+)(.*)$')
      local exponent = whole and string.gsub(rest, '^%.%d+', '')
      if not whole or (#whole > 1 and string.sub(whole, 1, 1) == '0')
        or (exponent ~= '' and not string.find(exponent, '^[eE][+-]?%d+$'))
        or math.abs(tonumber(token)) == math.huge then
        return false
      end
    end
  end
  if not string.find(json, '[\128-\255]') then
    return true
  end
  for _, sequence in ipairs(UTF_8) do
    json = string.gsub(json, sequence, ' ')
  end
  return not string.find(json, '[\128-\255]')
end

-- Returns the decision and the start of the transaction in a record; nil if it is no record, so that its text would
-- make the whole reply unreadable.
local function parts(record)
  local length = string.match(string.sub(record, 33, 40), '^%d%d%d%d%d%d%d%d$')
  if not length then
    return nil
  end
  local last = 40 + tonumber(length)
  local decision, transaction = string.sub(record, 41, last), string.sub(record, last + 1, last + 53)
  if string.sub(decision, 1, 1) ~= '{' or string.find(decision, '[%z\1-\31]') or not pcall(cjson.decode, decision)
    or not is_strict(decision) then
    return nil
  end
  if string.sub(transaction, 1, 9) == SEAL_PREFIX and not string.find(transaction, '^[A-Za-z0-9+/=]+$', 10) then
    return nil
  end
  return decision, transaction
end

for item = 1, #KEYS - FIRST_KEY + 1 do
  local base = FIRST_ARG + (item - 1) * ARGS_PER_ITEM
  local transaction_id, fingerprint, decision = ARGV[base], ARGV[base + 1], ARGV[base + 2]
  if fingerprint == '' then
    results[item], outcomes[item] = decision, PASSED_ON
  else
    local key = KEYS[FIRST_KEY + item - 1]
    local record = redis.pcall('GET', key)
    if type(record) == 'table' then
      if not string.find(record.err, 'WRONGTYPE', 1, true) then
        return record
      end
      record = ''
    end
    if record then
      local old, transaction = parts(record)
      if not old then
        results[item], outcomes[item] = '{"status":"untrusted"}', UNTRUSTED
      elseif string.sub(record, 1, 32) == fingerprint then
        results[item], outcomes[item] = scored(old, transaction), REPEATED
      else
        results[item], outcomes[item] = '{"status":"conflict"}', CONFLICT
      end
    elseif room < 1 then
      results[item], outcomes[item] = '{"status":"overloaded"}', OVERLOADED
    else
      local entry_id = redis.pcall('XADD', KEYS[2], '*', 'id', transaction_id, 'event', ARGV[base + 4])
      if type(entry_id) == 'table' then  -- somebody has used up the ids of the stream
        if #recorded == 0 then
          return entry_id
        end
        results[item], outcomes[item] = '{"status":"overloaded"}', OVERLOADED
      else
        entry_ms = string.match(entry_id, '^%d+')
        redis.call('SET', key, fingerprint .. string.format('%08d', #decision) .. decision .. ARGV[base + 3], 'EX', ARGV[3])
        redis.call('ZADD', KEYS[3], entry_ms, transaction_id)
        redis.call('ZADD', KEYS[4], entry_ms, transaction_id)
        room = room - 1
        recorded[#recorded + 1] = transaction_id
        results[item], outcomes[item] = scored(decision, ARGV[base + 3]), RECORDED
      end
    end
  end
end

local reply = '{"batch_id":"' .. ARGV[1] .. '","results":[' .. table.concat(results, ',') .. ']}'
if KEYS[1] ~= '' then
  redis.pcall('LPUSH', KEYS[1], reply)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  reply = ''
end

local explain_unset, publish_unset = 0, 0
if entry_ms then
  local answered = KEYS[7] .. math.floor(entry_ms / 60000)
  redis.pcall('RPUSH', answered, unpack(recorded))
  redis.call('EXPIRE', answered, ARGV[7])
  if redis.call('SET', KEYS[5], '1', 'NX', 'PX', ARGV[6]) then explain_unset = 1 end
  if redis.call('SET', KEYS[6], '1', 'NX', 'PX', ARGV[6]) then publish_unset = 1 end
end
return {explain_unset, publish_unset, reply, unpack(outcomes)}
