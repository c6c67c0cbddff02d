-- Decides a list of requests, in order, by Redis's own clock.
--
-- KEYS, per request:
--   admission:replay:<digest>:<subject>  string, expires after the replay window; exists if it was admitted before
--   admission:limits:<subject>           string "<requests> <transactions> <epoch ms>": tokens left in two buckets,
--                                        expires when both would be full again; "-" for a bucket that does not apply
--   admission:device:<device>            string "<tokens> <epoch ms>", likewise; as many keys as the request has devices
--   A check that does not apply has the key admission:none, which never exists.
-- ARGV: replay window in ms; this call's id; capacity and tokens per ms of every device; then per request:
--   capacity and tokens per ms of its subject's requests, the same of its transactions (capacity 0: no bucket),
--   its transactions, 1 if it is a batch, the number of its devices, and for each device its transactions.
-- Returns a flat list, per request: outcome (0 admitted, 1 replayed, 2 limited by requests, 3 by its device,
--   4 by transactions), the thousandths of tokens left for requests, transactions and the device (0 where no bucket
--   applies), and for a batch, per device: how many of its transactions are admitted, the thousandths left.
--
-- Whoever can write to Redis may have put anything under a key. What is no bucket counts as none, and the next admission
-- writes one in its place; what is no mark is a replay.
--
-- Only an admitted request changes anything: a replayed one takes no token, and a limited one stays unused,
-- so that the client may send the very same request again. A batch is not refused for a device: of each device as many
-- transactions are admitted as it has tokens, as if they had come one by one.
-- A replay key holds the call and the position that made it: a client library that repeats a call whose reply was lost
-- finds its own mark, and the request is admitted as it was the first time, without taking tokens again. For a batch
-- that a device cut short, how many of each device were admitted stands behind the mark.

local call_redis, match, floor, min, max = redis.call, string.match, math.floor, math.min, math.max
local time = call_redis('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)
local at_now = ' ' .. string.format('%d', now)
local window, call = ARGV[1], ARGV[2]
local device_capacity, device_per_ms = tonumber(ARGV[3]), tonumber(ARGV[4])

local NONE = 'admission:none'
local OFF = '-'
local EPSILON = 1e-6 -- a token that is whole but for rounding counts as whole
local CLOCK_STEP = 1000 -- ms; a bucket from further in the future than this was written before the clock was set back
local LARGEST_DEBT = 1e6 -- tokens; the largest batch is far smaller
local UNREFILLED_TTL = 86400000 -- ms; a bucket that never refills is forgotten a day after its last use
local LONGEST_TTL = 365 * 86400000 -- ms

local function get(key)
  local stored = redis.pcall('GET', key)
  if type(stored) ~= 'table' then return stored end
  return match(stored.err, 'WRONGTYPE') and '' or call_redis('GET', key)
end

local function refilled(tokens, at, capacity, per_ms)
  tokens, at = tonumber(tokens), tonumber(at)
  -- Every comparison with a number that is none (NaN) is false.
  if not (tokens and at and tokens > -LARGEST_DEBT and at >= 0 and at - now <= CLOCK_STEP) then return capacity end
  return min(capacity, tokens + max(0, now - at) * per_ms)
end

local function lacks(tokens, cost, capacity)
  -- A cost above the capacity needs a full bucket and leaves a debt: it could never be paid otherwise.
  return capacity > 0 and tokens + EPSILON < min(cost, capacity)
end

local function ttl(tokens, capacity, per_ms)
  if capacity == 0 then return 0 end
  if per_ms <= 0 then return UNREFILLED_TTL end
  return min(LONGEST_TTL, math.ceil((capacity - tokens) / per_ms) + 1000)
end

local function device_tokens(key)
  local stored = get(key)
  if not stored then return device_capacity end
  local tokens, at = match(stored, '^(%S+) (%S+)$')
  return refilled(tokens, at, device_capacity, device_per_ms)
end

local function put_device(key, tokens)
  call_redis('SET', key, tokens .. at_now, 'PX', ttl(tokens, device_capacity, device_per_ms))
end

local results, size = {}, 0
local key, argument, position = 1, 5, 0
while key <= #KEYS do
  local replay, subject = KEYS[key], KEYS[key + 1]
  local capacity, per_ms = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
  local t_capacity, t_per_ms = tonumber(ARGV[argument + 2]), tonumber(ARGV[argument + 3])
  local transactions, is_batch = tonumber(ARGV[argument + 4]), ARGV[argument + 5] == '1'
  local devices = tonumber(ARGV[argument + 6])
  local first_device, first_count = key + 2, argument + 7
  local device = devices == 1 and not is_batch and KEYS[first_device]
  local mark = call .. ':' .. position
  local outcome, takes, grants_before = 0, true, nil
  local requests_left, transactions_left, device_left = 0, 0, 0

  if replay ~= NONE and not call_redis('SET', replay, mark, 'NX', 'PX', window) then
    takes = false
    local stored = get(replay)
    if stored ~= mark then
      local grants = stored and match(stored, '^' .. mark .. ' ([%d ]+)$')
      if grants then
        grants_before = {}
        for count in string.gmatch(grants, '%d+') do grants_before[#grants_before + 1] = tonumber(count) end
      else
        outcome = 1
      end
    end
  end
  if outcome == 0 and subject ~= NONE then
    local stored, requests, of_transactions, at = get(subject), nil, nil, nil
    if stored then requests, of_transactions, at = match(stored, '^(%S+) (%S+) (%S+)$') end
    if capacity > 0 then requests_left = refilled(requests, at, capacity, per_ms) end
    if t_capacity > 0 then transactions_left = refilled(of_transactions, at, t_capacity, t_per_ms) end
    if takes then
      if lacks(requests_left, 1, capacity) then outcome = 2
      elseif lacks(transactions_left, transactions, t_capacity) then outcome = 4 end
    end
  end
  if outcome == 0 and device then
    device_left = device_tokens(device)
    if takes and lacks(device_left, 1, device_capacity) then outcome = 3 end
  end

  if outcome == 0 and takes then
    if subject ~= NONE then
      requests_left, transactions_left = requests_left - 1, transactions_left - transactions
      call_redis('SET', subject,
        (capacity > 0 and requests_left or OFF) .. ' ' .. (t_capacity > 0 and transactions_left or OFF) .. at_now,
        'PX', max(ttl(requests_left, capacity, per_ms), ttl(transactions_left, t_capacity, t_per_ms)))
    end
    if device then
      device_left = device_left - 1
      put_device(device, device_left)
    end
  elseif outcome > 1 and replay ~= NONE then
    call_redis('DEL', replay)
  end

  results[size + 1] = outcome
  results[size + 2] = floor(requests_left * 1000 + 0.5)
  results[size + 3] = floor(transactions_left * 1000 + 0.5)
  results[size + 4] = floor(device_left * 1000 + 0.5)
  size = size + 4
  if is_batch then
    local grants, is_short = {}, false
    for n = 0, devices - 1 do
      local asked, left, granted = tonumber(ARGV[first_count + n]), 0, 0
      if outcome == 0 then
        left = device_tokens(KEYS[first_device + n])
        if takes then granted = min(asked, max(0, floor(left + EPSILON)))
        else granted = grants_before and grants_before[n + 1] or asked end
        grants[n + 1], is_short = granted, is_short or granted < asked
        if takes and granted > 0 then
          left = left - granted
          put_device(KEYS[first_device + n], left)
        end
      end
      results[size + 1], results[size + 2] = granted, floor(left * 1000 + 0.5)
      size = size + 2
    end
    if takes and is_short and replay ~= NONE then
      call_redis('SET', replay, mark .. ' ' .. table.concat(grants, ' '), 'PX', window)
    end
  end
  key, argument, position = first_device + devices, first_count + devices, position + 1
end
return results
