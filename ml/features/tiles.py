"""Tiles: packed counts and sums per UTC hour and day of payments that are no longer kept one by one.

`ml.features.history` defines their layout, `ml.features.tile_sums` reads them for the features.
"""

from dataclasses import dataclass
from typing import Self

from ml.features.entries import LABEL_FRAUD, LABEL_ORDINARY_FRAUD

TILE_FIELDS: tuple[int, ...] = (3, 3, 7)
"""Bytes of a tile's start, in tiles since the epoch, of its number of payments and of the sum of their amounts."""
LABEL_TILE_FIELDS: tuple[int, ...] = (3, 3, 2, 2)
"""Bytes of a label tile's start and of its numbers of labels, frauds and ordinary frauds."""
MAX_NUMBER = (1 << 53) - 1
"""Highest sum that is kept; what no longer fits a field stays at its highest number."""
TILE_BYTES, LABEL_TILE_BYTES = sum(TILE_FIELDS), sum(LABEL_TILE_FIELDS)


@dataclass(frozen=True, slots=True)
class Payment:
    """The fields of an entry that tiles count."""

    epoch: int
    amount_units: int
    label: int
    known_at: int

    @classmethod
    def unpack(cls, entry: bytes) -> Self:
        """Reads an entry, see `ml.features.entries`."""
        return cls(
            epoch=int.from_bytes(entry[8:12], "little"),
            amount_units=int.from_bytes(entry[16:22], "little"),
            label=entry[23] >> 6,
            known_at=int.from_bytes(entry[12:16], "little"),
        )


def add_payment(tiles: bytes, payment: Payment, sign: int, *, width: int, limit: int) -> bytes:
    """Returns the tiles with a payment counted (sign 1) or no longer counted (sign -1) in its own."""
    change = (sign, sign * payment.amount_units)
    return _add(tiles, payment.epoch // width, change, fields=TILE_FIELDS, limit=limit)


def add_label(tiles: bytes, label: int, known_at: int, sign: int, *, width: int, limit: int) -> bytes:
    """Returns the label tiles with a label counted (sign 1) or no longer counted (sign -1) when it became known."""
    change = (sign, sign * (label >= LABEL_FRAUD), sign * (label == LABEL_ORDINARY_FRAUD))
    return _add(tiles, known_at // width, change, fields=LABEL_TILE_FIELDS, limit=limit)


def _add(tiles: bytes, start: int, change: tuple[int, ...], *, fields: tuple[int, ...], limit: int) -> bytes:
    """Adds to the tile of `start`; a new one is put in its place, and the oldest beyond the limit is dropped.

    A tile that was dropped takes nothing back: it can only be needed once it is among the newest again, which it
    cannot become.
    """
    size = sum(fields)
    at = len(tiles)
    while at and int.from_bytes(tiles[at - size : at - size + fields[0]], "little") > start:
        at -= size
    if at and int.from_bytes(tiles[at - size : at - size + fields[0]], "little") == start:
        return tiles[: at - size] + _changed(tiles[at - size : at], change, fields) + tiles[at:]
    if change[0] < 0:
        return tiles
    fresh = start.to_bytes(fields[0], "little") + bytes(size - fields[0])
    return (tiles[:at] + _changed(fresh, change, fields) + tiles[at:])[-limit * size :]


def _changed(tile: bytes, change: tuple[int, ...], fields: tuple[int, ...]) -> bytes:
    """Returns the tile with the change; nothing if nothing is left in it. Full counters stay full."""
    at, parts = fields[0], [tile[: fields[0]]]
    for field, difference in zip(fields[1:], change, strict=True):
        value = int.from_bytes(tile[at : at + field], "little") + difference
        parts.append(min(max(value, 0), MAX_NUMBER, (1 << 8 * field) - 1).to_bytes(field, "little"))
        at += field
    return b"".join(parts) if any(parts[1]) else b""
