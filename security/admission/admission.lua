-- Decides a list of requests, in order, by Redis's own clock.
--
-- KEYS, three per request:
--   admission:replay:<digest>    string, expires after the replay window; exists if the request was admitted before
--   admission:subject:<subject>  string "<tokens> <epoch ms>", expires when the bucket would be full again
--   admission:device:<device>    the same, per device
--   A check that does not apply has the key admission:none, which never exists.
-- ARGV: replay window in ms; this call's id; then five per request:
--   cost, subject capacity, subject tokens per ms, device capacity, device tokens per ms
-- Returns, three per request: outcome (0 admitted, 1 replayed, 2 limited by subject, 3 limited by device),
--   and the thousandths of tokens left with the subject and with the device (0 where no bucket applies).
--
-- Only an admitted request changes anything: a replayed one takes no token, and a limited one stays unused,
-- so that the client may send the very same request again.
-- A replay key holds the call and the position that made it: a client library that repeats a call whose reply was lost
-- finds its own mark, and the request is admitted as it was the first time.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, call = ARGV[1], ARGV[2]

local NONE = 'admission:none'
local EPSILON = 1e-6 -- a token that is whole but for rounding counts as whole
local CLOCK_STEP = 1000 -- ms; a bucket from further in the future than this was written before the clock was set back
local UNREFILLED_TTL = 86400000 -- ms; a bucket that never refills is forgotten a day after its last use
local LONGEST_TTL = 365 * 86400000 -- ms

local function tokens_in(key, capacity, per_ms)
  local stored = redis.call('GET', key)
  if not stored then return capacity end
  local tokens, at = string.match(stored, '^(%S+) (%S+)$')
  tokens, at = tonumber(tokens), tonumber(at)
  if at - now > CLOCK_STEP then return capacity end
  return math.min(capacity, tokens + math.max(0, now - at) * per_ms)
end

local function put(key, tokens, capacity, per_ms)
  local ttl = UNREFILLED_TTL
  if per_ms > 0 then ttl = math.min(LONGEST_TTL, math.ceil((capacity - tokens) / per_ms) + 1000) end
  redis.call('SET', key, string.format('%.6f %d', tokens, now), 'PX', string.format('%d', ttl))
end

local results = {}
for i = 0, #KEYS / 3 - 1 do
  local replay, subject, device = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local cost = tonumber(ARGV[5 * i + 3])
  local subject_capacity, subject_per_ms = tonumber(ARGV[5 * i + 4]), tonumber(ARGV[5 * i + 5])
  local device_capacity, device_per_ms = tonumber(ARGV[5 * i + 6]), tonumber(ARGV[5 * i + 7])
  local outcome, subject_tokens, device_tokens = 0, 0, 0
  local mark = call .. ':' .. i
  if replay ~= NONE and not redis.call('SET', replay, mark, 'NX', 'PX', window) then
    if redis.call('GET', replay) ~= mark then outcome = 1 end
  else
    -- A cost above the capacity needs a full bucket and leaves a debt: it could never be paid otherwise.
    if subject ~= NONE then
      subject_tokens = tokens_in(subject, subject_capacity, subject_per_ms)
      if subject_tokens + EPSILON < math.min(cost, subject_capacity) then outcome = 2 end
    end
    if outcome == 0 and device ~= NONE then
      device_tokens = tokens_in(device, device_capacity, device_per_ms)
      if device_tokens + EPSILON < math.min(cost, device_capacity) then outcome = 3 end
    end
    if outcome == 0 then
      if subject ~= NONE then
        subject_tokens = subject_tokens - cost
        put(subject, subject_tokens, subject_capacity, subject_per_ms)
      end
      if device ~= NONE then
        device_tokens = device_tokens - cost
        put(device, device_tokens, device_capacity, device_per_ms)
      end
    elseif replay ~= NONE then
      redis.call('DEL', replay)
    end
  end
  results[3 * i + 1] = outcome
  results[3 * i + 2] = math.floor(subject_tokens * 1000 + 0.5)
  results[3 * i + 3] = math.floor(device_tokens * 1000 + 0.5)
end
return results
