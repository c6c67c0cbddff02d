-- Keys:
--   KEYS[1]  string   the ring of one customer or terminal, see ml/features/history.py
-- Arguments: the transaction's 8-byte hash, bytes per entry, the label (1 legitimate, 2 fraud, 3 ordinary
-- fraud), known_at.
-- Returns 1 if the transaction is in the ring, now with this label; else 0.
local id, size, label, known_at = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ring = redis.call('GET', KEYS[1]) or ''
local at = string.find(ring, id, 1, true)
while at and (at - 1) % size ~= 0 do
  at = string.find(ring, id, at + 1, true)
end
if not at then
  return 0
end

-- The label shares its byte with the country: the top two bits are the label's.
local tag = string.byte(ring, at + 23)
local old_label, old_known_at = math.floor(tag / 64), struct.unpack('<I4', ring, at + 12)
if old_label > 0 and (old_label >= 2) == (label >= 2) and old_known_at <= known_at then
  return 1
end
redis.call('SETRANGE', KEYS[1], at + 11, struct.pack('<I4', known_at))
redis.call('SETRANGE', KEYS[1], at + 22, string.char(tag % 64 + label * 64))
return 1
