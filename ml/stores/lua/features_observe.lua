-- Keys:
--   KEYS[1]  string   the ring of one customer or terminal, see ml/features/history.py
-- Arguments: the transaction's entry, the ring's capacity in bytes, the ring's life in seconds.
-- Returns the part of the ring that lies before the entry, and puts the entry into the ring.
local entry, capacity, life = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local size = #entry
local ring = redis.call('GET', KEYS[1]) or ''

-- A retried transaction changes nothing and gets the same past again.
local id = string.sub(entry, 1, 8)
local at = string.find(ring, id, 1, true)
while at and (at - 1) % size ~= 0 do
  at = string.find(ring, id, at + 1, true)
end
if at then
  return string.sub(ring, 1, at - 1)
end

-- Nearly every event is the newest; a late one moves left to its place.
local epoch = struct.unpack('<I4', entry, 9)
local cut = #ring
while cut > 0 and struct.unpack('<I4', ring, cut - size + 9) > epoch do
  cut = cut - size
end
local past = string.sub(ring, 1, cut)
local longer = past .. entry .. string.sub(ring, cut + 1)
if #longer > capacity then
  longer = string.sub(longer, #longer - capacity + 1)
end
redis.call('SET', KEYS[1], longer, 'EX', life)
return past
