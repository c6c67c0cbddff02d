"""The bounded history of an entity: its newest payments one by one, all earlier ones in tiles; one string of bytes.

| part | bytes | holds |
| --- | --- | --- |
| header | 8 | the layout's mark, numbers of hours, days, label hours, label days and label keys, a zero |
| hours | up to 28 x 13 | a tile per UTC hour: hour (3), payments (3), sum of amounts (7) |
| days | up to 34 x 13 | a tile per UTC day, likewise |
| label hours | up to 28 x 10 | a tile per UTC hour: hour (3), labels (3), frauds (2), ordinary frauds (2) known in it |
| label days | up to 34 x 10 | a tile per UTC day, likewise |
| label keys | up to 16 x 4 | the transactions that were labelled last, by the first half of their hash |
| entries | up to 64 x 32, 86 x 24 | the newest payments in order of arrival, see `ml.features.entries` |

Tiles are in time order, numbers little-endian.

Payments arrive at the end. Once there are more than the features look at one by one (`Shape.newest`), the one that
arrived first of these is folded: it counts from then on in the tiles of its own hour and day, however late it came,
and its label, once known, in the tiles of the hour and day in which it became known. An entity that never had more
payments has no tiles and exact windows. Of each kind of tile the newest are kept; what a feature looks back to is
always among them, unless its payment comes more than `SPARE_TILES` busy hours or days too late.

A folded payment stays for `Shape.slack` further arrivals, so that a fold can be undone: `view_before` returns what a
transaction saw when it first arrived also if up to so many others have arrived since. Labels are applied in place;
features ignore those that became known later than the transaction.

A label of a payment that is no longer there counts in the label tiles, if the entity has tiles at all: the history
cannot say whether the payment ever was there. So that such a label counts once however often it is delivered, and makes
way for another outcome, the store keeps the labels of busy entities beside the history for a day (`AppliedOutcome`).
Beyond that the label keys still make a label that is delivered twice count once; the first outcome stands then.

`ml/stores/features/observe.lua` and `label.lua` beside it do to a history in Redis what `remember` and `relabel` do
here.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features.definition import (
    CUSTOMER_NEWEST,
    CUSTOMER_RETRY_SLACK,
    DAY_TILES,
    HOUR_TILES,
    LABEL_KEYS,
    TERMINAL_NEWEST,
    TERMINAL_RETRY_SLACK,
)
from ml.features.entries import CUSTOMER_ENTRY, KEY_BYTES, TERMINAL_ENTRY, is_same_outcome
from ml.features.tiles import LABEL_TILE_BYTES, TILE_BYTES, Payment, add_label, add_payment

EntityKind = Literal["customer", "terminal"]

HEADER_BYTES = 8
LABEL_KEY_BYTES = 4
MARK = b"F2"
"""Opens every history; bytes with another mark were written by another version, see `current`."""

_NO_PARTS = bytes(5)
_PART_BYTES = (TILE_BYTES, TILE_BYTES, LABEL_TILE_BYTES, LABEL_TILE_BYTES, LABEL_KEY_BYTES)
_KNOWN_AT, _TAG_HIGH = slice(12, 16), 23


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of an entity is kept.

    Attributes:
        entry: layout of an entry.
        newest: payments that the features see one by one; earlier ones are folded into tiles.
        slack: newer payments after which the view of an earlier transaction can still be rebuilt.
    """

    entry: np.dtype[np.void]
    newest: int
    slack: int

    @property
    def entry_bytes(self) -> int:
        """Size of an entry."""
        return self.entry.itemsize

    @property
    def capacity(self) -> int:
        """Most entries that a history holds."""
        return self.newest + 1 + self.slack


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shape of each kind of entity."""

    customer: Shape = Shape(CUSTOMER_ENTRY, CUSTOMER_NEWEST, CUSTOMER_RETRY_SLACK)
    terminal: Shape = Shape(TERMINAL_ENTRY, TERMINAL_NEWEST, TERMINAL_RETRY_SLACK)

    def of(self, kind: EntityKind) -> Shape:
        """Returns the shape of one kind."""
        return self.customer if kind == "customer" else self.terminal


SHAPES = Shapes()


@dataclass(frozen=True, slots=True)
class History:
    """A history taken apart; every part is packed as in the table above."""

    hours: bytes = b""
    days: bytes = b""
    label_hours: bytes = b""
    label_days: bytes = b""
    label_keys: bytes = b""
    entries: bytes = b""

    @classmethod
    def unpack(cls, packed: bytes) -> "History":
        """Takes a history of the present layout apart; empty bytes give an empty history."""
        if packed[:2] != MARK:
            return cls()
        parts, at = [], HEADER_BYTES
        for number, size in zip(packed[2:7], _PART_BYTES, strict=True):
            parts.append(packed[at : at + number * size])
            at += number * size
        hours, days, label_hours, label_days, label_keys = parts
        return cls(hours, days, label_hours, label_days, label_keys, packed[at:])

    def pack(self) -> bytes:
        """Returns the history in one piece."""
        parts = (self.hours, self.days, self.label_hours, self.label_days, self.label_keys)
        numbers = bytes(len(part) // size for part, size in zip(parts, _PART_BYTES, strict=True))
        return b"".join([MARK, numbers, b"\0", *parts, self.entries])

    @property
    def has_tiles(self) -> bool:
        """Whether any payment was ever folded."""
        return bool(self.hours or self.days)

    def folded(self, entry: bytes, sign: int = 1) -> "History":
        """Returns the history with an entry counted in its tiles; with sign -1 as it was before that."""
        payment = Payment.unpack(entry)
        changed = replace(
            self,
            hours=add_payment(self.hours, payment, sign, width=HOUR_SECONDS, limit=HOUR_TILES),
            days=add_payment(self.days, payment, sign, width=DAY_SECONDS, limit=DAY_TILES),
        )
        return changed.labelled(payment.label, payment.known_at, sign) if payment.label else changed

    def labelled(self, label: int, known_at: int, sign: int = 1) -> "History":
        """Returns the history with a folded payment's label counted in its tiles, or no longer with sign -1."""
        return replace(
            self,
            label_hours=add_label(self.label_hours, label, known_at, sign, width=HOUR_SECONDS, limit=HOUR_TILES),
            label_days=add_label(self.label_days, label, known_at, sign, width=DAY_SECONDS, limit=DAY_TILES),
        )

    def with_key(self, key: bytes) -> "History":
        """Returns the history with a transaction among the last labelled."""
        if find(self.label_keys, key[:LABEL_KEY_BYTES], size=LABEL_KEY_BYTES) >= 0:
            return self
        keys = (self.label_keys + key[:LABEL_KEY_BYTES])[-LABEL_KEYS * LABEL_KEY_BYTES :]
        return replace(self, label_keys=keys)


def is_foreign(packed: bytes, shape: Shape) -> bool:
    """Whether bytes are a history of a layout that only another version reads, or none at all."""
    if not packed:
        return False
    if packed[:2] == MARK:
        parts = sum(number * size for number, size in zip(packed[2:7], _PART_BYTES, strict=False))
        length = len(packed) - HEADER_BYTES - parts
        return len(packed) < HEADER_BYTES or length < 0 or length % shape.entry_bytes > 0
    return (packed[:1] == b"F" and packed[1:2].isdigit()) or len(packed) % shape.entry_bytes > 0


def current(packed: bytes, shape: Shape) -> bytes:
    """Returns a history in the present layout.

    The first layout was a ring of entries without a mark, in order of time: its newest payments are kept.

    Raises:
        ForeignLayoutError: only another version reads it.
    """
    if is_foreign(packed, shape):
        raise ForeignLayoutError
    if not packed or packed[:2] == MARK:
        return packed
    return History(entries=packed[-shape.newest * shape.entry_bytes :]).pack()


class ForeignLayoutError(ValueError):
    """A history was written by another version of the platform, and this one cannot read it."""


def find(items: bytes, key: bytes, *, size: int, start: int = 0) -> int:
    """Returns the offset of the item, of those that begin at `start`, that opens with the key; -1 if there is none."""
    at = items.find(key, start)
    while at >= 0 and (at - start) % size:
        at = items.find(key, at + 1)
    return at


def find_entry(packed: bytes, key: bytes, shape: Shape) -> bytes | None:
    """Returns a transaction's entry, None if the history does not hold it."""
    entries, size = History.unpack(packed).entries, shape.entry_bytes
    at = find(entries, key, size=size)
    return None if at < 0 else entries[at : at + size]


def remember(packed: bytes, entry: bytes, shape: Shape) -> bytes:
    """Returns the history with one more payment; one that is already there changes nothing."""
    history, size = History.unpack(packed), shape.entry_bytes
    entries = history.entries
    if find(entries, entry[:KEY_BYTES], size=size) >= 0:
        return packed
    leaving = len(entries) - shape.newest * size
    if leaving >= 0:
        history = history.folded(entries[leaving : leaving + size])
    return replace(history, entries=(entries + entry)[-shape.capacity * size :]).pack()


class AppliedOutcome(NamedTuple):
    """A label as it was applied to an entity: its code and since when it is known."""

    label: int
    known_at: int

    @classmethod
    def of(cls, entry: bytes | bytearray) -> "AppliedOutcome":
        """Returns the label in an entry; its code is 0 if there is none."""
        return cls(entry[_TAG_HIGH] >> 6, int.from_bytes(entry[_KNOWN_AT], "little"))


def keeps_labels(packed: bytes, shape: Shape) -> bool:
    """Whether the labels of an entity are kept beside its history: it may forget a payment before its label comes."""
    history = History.unpack(packed)
    return history.has_tiles or 2 * len(history.entries) >= shape.newest * shape.entry_bytes


def relabel(
    packed: bytes, key: bytes, shape: Shape, *, new: AppliedOutcome, applied: AppliedOutcome | None = None
) -> bytes | None:
    """Returns the history with a transaction's label, None if it is not known that it had the transaction.

    The same outcome once more changes nothing, unless it was known earlier; another outcome replaces the label.

    Args:
        packed: the history.
        key: the transaction.
        shape: of the history.
        new: the label.
        applied: the label that was applied to this entity for the transaction before, if the store kept it.
    """
    history, size = History.unpack(packed), shape.entry_bytes
    entries = history.entries
    at = find(entries, key, size=size)
    if at < 0:
        return _relabel_gone(packed, history, key, new=new, applied=applied)
    entry = bytearray(entries[at : at + size])
    old = AppliedOutcome.of(entry)
    if _is_known(old, new):
        return packed
    if at < len(entries) - shape.newest * size:
        if old.label:
            history = history.labelled(*old, -1)
        history = history.labelled(*new)
    entry[_KNOWN_AT] = new.known_at.to_bytes(4, "little")
    entry[_TAG_HIGH] = entry[_TAG_HIGH] % 64 + new.label * 64
    return replace(history.with_key(key), entries=entries[:at] + bytes(entry) + entries[at + size :]).pack()


def _is_known(old: AppliedOutcome, new: AppliedOutcome) -> bool:
    return is_same_outcome(old.label, new.label) and old.known_at <= new.known_at


def _relabel_gone(
    packed: bytes, history: History, key: bytes, *, new: AppliedOutcome, applied: AppliedOutcome | None
) -> bytes | None:
    if not history.has_tiles:
        return None
    if applied is not None:
        if _is_known(applied, new):
            return packed
        return history.labelled(*applied, -1).labelled(*new).pack()
    if find(history.label_keys, key[:LABEL_KEY_BYTES], size=LABEL_KEY_BYTES) >= 0:
        return packed
    return history.labelled(*new).with_key(key).pack()


def tile_parts(packed: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Returns the hours, days, label hours and label days of a packed history."""
    hours = HEADER_BYTES + packed[2] * TILE_BYTES
    days = hours + packed[3] * TILE_BYTES
    label_hours = days + packed[4] * LABEL_TILE_BYTES
    label_days = label_hours + packed[5] * LABEL_TILE_BYTES
    return packed[HEADER_BYTES:hours], packed[hours:days], packed[days:label_hours], packed[label_hours:label_days]


class View(NamedTuple):
    """An entity's past as one transaction sees it.

    Attributes:
        entries: the newest payments that arrived before it, in order of arrival.
        tiles: a packed history without entries, whose tiles hold all earlier payments; empty if there are none.
    """

    entries: bytes
    tiles: bytes


def view_before(packed: bytes, key: bytes, shape: Shape) -> View:
    """Returns what a transaction sees of a history that may hold it already.

    If more than `Shape.slack` payments have arrived since, the view has fewer entries and tiles of a later state.
    """
    if packed[:2] != MARK:
        return View(b"", b"")
    size, end = shape.entry_bytes, len(packed)
    newest = shape.newest * size
    # Nearly every entity is not busy: nothing has to be taken apart.
    start = HEADER_BYTES if packed[2:7] == _NO_PARTS else _entries_start(packed)
    at = packed.find(key, start)
    if at < 0:
        return View(packed[max(start, end - newest) :], packed[:start] if packed[2] else b"")
    at = find(packed, key, size=size, start=start)
    first = max(start, (at if at >= 0 else end) - newest)
    history = History.unpack(packed[:start])
    for place in range(first, end - newest, size):
        history = history.folded(packed[place : place + size], -1)
    return View(packed[first : at if at >= 0 else end], history.pack() if history.has_tiles else b"")


def _entries_start(packed: bytes) -> int:
    tiles, label_tiles = packed[2] + packed[3], packed[4] + packed[5]
    return HEADER_BYTES + tiles * TILE_BYTES + label_tiles * LABEL_TILE_BYTES + packed[6] * LABEL_KEY_BYTES
