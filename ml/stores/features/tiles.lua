-- What the scripts of the feature store share; it stands in front of each. ml/features/history.py describes a history's
-- layout, ml/features/tiles.py does the same to tiles.
local HEADER, MARK, TILE, LABEL_TILE, LABEL_KEY = 8, 'F2', 13, 10, 4
local HOUR, DAY, MAX_COUNT, MAX_SUM = 3600, 86400, 256 ^ 3 - 1, 2 ^ 53 - 1
local sub, byte, char, floor, pack, unpack = string.sub, string.byte, string.char, math.floor, struct.pack, struct.unpack

-- Returns where days, label hours, label days, label keys and entries begin, counted from 1; hours begin at HEADER + 1.
local function offsets(packed)
  local hours, days, label_hours, label_days, label_keys = byte(packed, 3, 7)
  local days_at = HEADER + 1 + hours * TILE
  local label_hours_at = days_at + days * TILE
  local label_days_at = label_hours_at + label_hours * LABEL_TILE
  local label_keys_at = label_days_at + label_days * LABEL_TILE
  return days_at, label_hours_at, label_days_at, label_keys_at, label_keys_at + label_keys * LABEL_KEY
end

-- Returns a history of the present layout and its `offsets`; nil if the bytes are of one that only another version reads,
-- or of none. Histories of the first layout, rings of entries without a mark, are brought up to date: their newest
-- payments are kept.
local function current(packed, size, newest)
  if sub(packed, 1, 2) == MARK then
    if #packed < HEADER then
      return nil
    end
    local days_at, label_hours_at, label_days_at, label_keys_at, entries_at = offsets(packed)
    local length = #packed + 1 - entries_at
    if length < 0 or length % size > 0 then
      return nil
    end
    return packed, days_at, label_hours_at, label_days_at, label_keys_at, entries_at
  elseif string.find(packed, '^F%d') or #packed % size > 0 then
    return nil
  end
  local marked = MARK .. '\0\0\0\0\0\0' .. sub(packed, math.max(1, #packed + 1 - newest * size))
  return marked, offsets(marked)
end

-- Returns the string under a key, nil if there is none; an empty one and an error if the key holds something else, or
-- cannot be read.
local function read(key)
  local found = redis.pcall('GET', key)
  if type(found) == 'table' then
    return '', found
  end
  return found or nil
end

local function is_wrong_type(failure)
  return string.find(failure.err, 'WRONGTYPE', 1, true)
end

local function limited(frauds)
  return frauds < 0 and 0 or frauds < 65536 and frauds or 65535
end

-- Returns where the item that opens with the key begins, of those that begin at `start`; nil if there is none.
local function find(items, key, size, start)
  local at = string.find(items, key, start, true)
  while at and (at - start) % size ~= 0 do
    at = string.find(items, key, at + 1, true)
  end
  return at
end

-- Returns where the newest tile begins that is no later than `start`, and the start of that tile.
local function locate(tiles, size, start)
  local at = #tiles - size + 1
  while at > 0 do
    local found = unpack('<I3', tiles, at)
    if found <= start then
      return at, found
    end
    at = at - size
  end
  return at
end

-- Returns the tiles with a new one behind the one at `at`, and without the oldest if they are too many.
local function insert(tiles, size, at, tile, limit)
  local longer = sub(tiles, 1, at + size - 1) .. tile .. sub(tiles, at + size)
  return #longer > limit * size and sub(longer, size + 1) or longer
end

-- Returns the tiles with one more payment in its own.
local function add_payment(tiles, start, amount, limit)
  local at, found = locate(tiles, TILE, start)
  if found ~= start then
    return insert(tiles, TILE, at, pack('<I3I3I7', start, 1, amount), limit)
  end
  local count, sum = unpack('<I3I7', tiles, at + 3)
  count, sum = count < MAX_COUNT and count + 1 or count, sum + amount
  local changed = pack('<I3I7', count, sum < MAX_SUM and sum or MAX_SUM)
  return sub(tiles, 1, at + 2) .. changed .. sub(tiles, at + TILE)
end

-- Returns the label tiles with a label counted (sign 1) or no longer counted (sign -1) when it became known.
local function add_label(tiles, start, label, sign, limit)
  local fraud, ordinary = label >= 2 and 1 or 0, label == 3 and 1 or 0
  local at, found = locate(tiles, LABEL_TILE, start)
  if found ~= start then
    return sign > 0 and insert(tiles, LABEL_TILE, at, pack('<I3I3I2I2', start, 1, fraud, ordinary), limit) or tiles
  end
  local count, frauds, ordinary_frauds = unpack('<I3I2I2', tiles, at + 3)
  count, frauds, ordinary_frauds = count + sign, frauds + sign * fraud, ordinary_frauds + sign * ordinary
  if count == 0 then
    return sub(tiles, 1, at - 1) .. sub(tiles, at + LABEL_TILE)
  end
  local changed = pack('<I3I2I2', math.min(count, MAX_COUNT), limited(frauds), limited(ordinary_frauds))
  return sub(tiles, 1, at + 2) .. changed .. sub(tiles, at + LABEL_TILE)
end

