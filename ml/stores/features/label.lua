-- Keys:
--   KEYS[1]  string   the history of one customer or terminal, see ml/features/history.py: GET, SET KEEPTTL
--   KEYS[2]  hash     today's labels of the entity, by transaction: HGET, HSET, EXPIRE
--   KEYS[3]  hash     yesterday's: HGET
-- Arguments: the transaction's 8-byte hash; the label (1 legitimate, 2 fraud, 3 ordinary fraud); known_at; bytes per
-- entry; payments seen one by one; most hour tiles, day tiles and label keys; life of the labels in seconds.
-- Returns 1 if the label counts now or did already, 0 if it is not known that the history had the transaction.
local key, label, known_at, size = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local newest, hour_tiles, day_tiles, most_keys = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local stored, failure = read(KEYS[1])
if failure then
  return is_wrong_type(failure) and 0 or failure
elseif not stored then
  return 0
end
local packed, days_at, label_hours_at, label_days_at, label_keys_at, entries_at = current(stored, size, newest)
if not packed then
  return 0
end
local label_hours = sub(packed, label_hours_at, label_days_at - 1)
local label_days = sub(packed, label_days_at, label_keys_at - 1)
local label_keys = sub(packed, label_keys_at, entries_at - 1)
local entries = sub(packed, entries_at)
local has_tiles = label_hours_at > HEADER + 1

local function count(of, since, sign)
  label_hours = add_label(label_hours, floor(since / HOUR), of, sign, hour_tiles)
  label_days = add_label(label_days, floor(since / DAY), of, sign, day_tiles)
end

local function is_known(old, old_known_at)
  return old > 0 and (old >= 2) == (label >= 2) and old_known_at <= known_at
end

-- Keeps a label beside the history of an entity that may forget the payment before the label is delivered once more.
local function keep(of, since)
  if has_tiles or 2 * #entries >= newest * size then
    redis.call('HSET', KEYS[2], key, of .. ':' .. since)
    redis.call('EXPIRE', KEYS[2], ARGV[9])
  end
end

local short_key = sub(key, 1, LABEL_KEY)
local is_labelled = find(label_keys, short_key, LABEL_KEY, 1)
local at = find(entries, key, size, 1)
if at then
  -- The label shares its byte with the country: the top two bits are the label's.
  local tag, old_known_at = byte(entries, at + 23), unpack('<I4', entries, at + 12)
  local old = floor(tag / 64)
  if is_known(old, old_known_at) then
    keep(old, old_known_at)
    return 1
  end
  if at - 1 < #entries - newest * size then
    if old > 0 then
      count(old, old_known_at, -1)
    end
    count(label, known_at, 1)
  end
  entries = sub(entries, 1, at + 11) .. pack('<I4', known_at) .. sub(entries, at + 16, at + 22)
    .. char(tag % 64 + label * 64) .. sub(entries, at + 24)
elseif not has_tiles then
  return 0
else
  local kept = redis.call('HGET', KEYS[2], key) or redis.call('HGET', KEYS[3], key)
  if kept then
    local old, old_known_at = string.match(kept, '^(%d+):(%d+)$')
    old, old_known_at = tonumber(old), tonumber(old_known_at)
    if is_known(old, old_known_at) then
      return 1
    end
    count(old, old_known_at, -1)
    is_labelled = true
  elseif is_labelled then
    return 1
  end
  count(label, known_at, 1)
end

if not is_labelled then
  label_keys = label_keys .. short_key
  if #label_keys > most_keys * LABEL_KEY then
    label_keys = sub(label_keys, LABEL_KEY + 1)
  end
end
local counts = char(#label_hours / LABEL_TILE, #label_days / LABEL_TILE, #label_keys / LABEL_KEY)
local tiles = sub(packed, HEADER + 1, label_hours_at - 1)
redis.call(
  'SET', KEYS[1],
  sub(packed, 1, 4) .. counts .. '\0' .. tiles .. label_hours .. label_days .. label_keys .. entries,
  'KEEPTTL'
)
keep(label, known_at)
return 1
