-- Keys:
--   KEYS[1]  string   the history of one customer or terminal, see ml/features/history.py
-- Arguments: the transaction's entry; payments seen one by one; most entries, hour tiles and day tiles; the history's
-- life in seconds.
-- Returns a history of a layout of another version untouched; the caller finds out by its mark. What is no history at
-- all is left alone likewise, and UNREADABLE is returned, a mark of no version. Else:
-- Returns the history as it was, without the transaction or, if this is a retry, with it; and remembers the transaction.
local entry, newest, capacity, life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[6]
local size = #entry
local UNREADABLE = 'F?'
local stored, failure = read(KEYS[1])
if failure then
  return is_wrong_type(failure) and UNREADABLE or failure
end
if not stored then
  redis.call('SET', KEYS[1], MARK .. '\0\0\0\0\0\0' .. entry, 'EX', life)
  return ''
end
local packed, days_at, label_hours_at, label_days_at, label_keys_at, entries_at = current(stored, size, newest)
if not packed then
  return sub(stored, 1, 2) == MARK and UNREADABLE or stored
end
if find(packed, sub(entry, 1, 8), size, entries_at) then
  return packed
end

local leaving = #packed + 1 - newest * size
if leaving < entries_at then
  redis.call('SET', KEYS[1], packed .. entry, 'EX', life)
  return packed
end

local hour_tiles, day_tiles = tonumber(ARGV[4]), tonumber(ARGV[5])
local epoch, known_at, amount_low, amount_high, tag = unpack('<I4I4I4I2I2', packed, leaving + 8)
local amount, label = amount_low + amount_high * 4294967296, floor(tag / 16384)
local hours = add_payment(sub(packed, HEADER + 1, days_at - 1), floor(epoch / HOUR), amount, hour_tiles)
local days = add_payment(sub(packed, days_at, label_hours_at - 1), floor(epoch / DAY), amount, day_tiles)
local labels, label_counts = sub(packed, label_hours_at, label_keys_at - 1), sub(packed, 5, 6)
if label > 0 then
  local border = label_days_at - label_hours_at
  local label_hours = add_label(sub(labels, 1, border), floor(known_at / HOUR), label, 1, hour_tiles)
  local label_days = add_label(sub(labels, border + 1), floor(known_at / DAY), label, 1, day_tiles)
  labels, label_counts = label_hours .. label_days, char(#label_hours / LABEL_TILE, #label_days / LABEL_TILE)
end
-- The newest entries are cut out in one piece: copies of long strings are what this script spends its time on.
local kept_at = math.max(entries_at, #packed + 1 - (capacity - 1) * size)
local header = MARK .. char(#hours / TILE, #days / TILE) .. label_counts .. sub(packed, 7, 8)
local label_keys = sub(packed, label_keys_at, entries_at - 1)
redis.call('SET', KEYS[1], header .. hours .. days .. labels .. label_keys .. sub(packed, kept_at) .. entry, 'EX', life)
return packed
