"""The online feature state, computed from a history file instead of by scoring it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ml.data.table import NEVER, UNKNOWN, Column, TransactionTable
from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features.definition import DAY_TILES, HOUR_TILES, LABEL_KEYS
from ml.features.entries import (
    COUNTRY_MASK,
    KEY_BYTES,
    LABEL_FRAUD,
    LABEL_ORDINARY_FRAUD,
    amount_units,
    labels,
    transaction_key,
)
from ml.features.history import LABEL_KEY_BYTES, SHAPES, EntityKind, History, Shape, Shapes
from ml.features.offline import encode_table, terminal_part
from ml.features.tiles import LABEL_TILE_FIELDS, MAX_NUMBER, TILE_FIELDS
from ml.stores.features.features import EntityState

_Rows = NDArray[np.intp]


def entity_states(
    table: TransactionTable, until_seconds: int | None = None, shapes: Shapes = SHAPES
) -> Iterator[EntityState]:
    """Yields the state of every customer and terminal at a moment, as if the platform had scored the rows before it.

    Args:
        table: the history.
        until_seconds: the moment; rows count that arrived before it, and labels that were known by then. All rows
            and labels by default.
        shapes: of the histories.
    """
    moment = _moment(until_seconds)
    past = table.select(table.arrived_at < moment)
    entries = encode_table(past, shapes)
    is_known = (past.fraud_known_at(moment) != UNKNOWN) & ~past.is_presumed
    entries["known_at"] = np.where(is_known, past.label_known_at, NEVER)
    entries["tag"] = np.where(is_known, entries["tag"], entries["tag"] & np.uint16(COUNTRY_MASK))
    parts = {"customer": entries, "terminal": terminal_part(entries)}
    columns = {"customer": past.customer_id, "terminal": past.terminal_id}
    choices = {
        kind: _Choice.of(columns[kind], past.arrived_at, entries, shapes.of(kind)) for kind in get_args(EntityKind)
    }
    # Only ids that some history still names need a hash.
    needed = np.unique(np.concatenate([part for choice in choices.values() for part in (choice.kept, choice.labelled)]))
    hashes = b"".join([transaction_key(str(name)) for name in past.transaction_id[needed]])
    for kind in get_args(EntityKind):
        parts[kind]["transaction"][needed] = np.frombuffer(hashes, "<u8")
        yield from _states(kind, columns[kind], parts[kind], choices[kind])


def count_entities(table: TransactionTable, until_seconds: int | None = None) -> int:
    """Returns how many states `entity_states` yields."""
    is_past = table.arrived_at < _moment(until_seconds)
    return sum(len(np.unique(column.codes[is_past])) for column in (table.customer_id, table.terminal_id))


def _moment(until_seconds: int | None) -> int:
    return NEVER - 1 if until_seconds is None else until_seconds


@dataclass(frozen=True)
class _Choice:
    """Rows that histories hold, grouped by entity.

    Attributes:
        kept: the newest, in order of arrival: the entries.
        folded: those that count in tiles, also the newest of these.
        labelled: the last labelled, in the order of their labels.
    """

    kept: _Rows
    folded: _Rows
    labelled: _Rows

    @classmethod
    def of(cls, entity: Column, arrived_at: NDArray[np.int64], entries: NDArray[np.void], shape: Shape) -> "_Choice":
        order = np.lexsort((arrived_at, entity.codes))
        age = _places_from_end(entity.codes[order])
        known = np.flatnonzero(labels(entries) > 0)
        known = known[np.lexsort((entries["known_at"][known], entity.codes[known]))]
        return cls(
            kept=order[age <= shape.capacity],
            folded=order[age > shape.newest],
            labelled=known[_places_from_end(entity.codes[known]) <= LABEL_KEYS],
        )


def _places_from_end(codes: NDArray[np.int32]) -> _Rows:
    """Returns each element's place in its group, counted from the group's end; 1 is the last."""
    return np.asarray(np.searchsorted(codes, codes, side="right") - np.arange(len(codes)))


@dataclass(frozen=True)
class _Part:
    """One part of all histories: items of one size, grouped by ascending entity code."""

    codes: NDArray[np.int32]
    packed: bytes

    def of(self, entities: NDArray[np.int32]) -> list[bytes]:
        """Returns each entity's items."""
        size = len(self.packed) // max(len(self.codes), 1)
        starts = (np.searchsorted(self.codes, entities) * size).tolist()
        ends = (np.searchsorted(self.codes, entities, side="right") * size).tolist()
        return [self.packed[start:end] for start, end in zip(starts, ends, strict=True)]


def _states(kind: EntityKind, entity: Column, entries: NDArray[np.void], choice: _Choice) -> Iterator[EntityState]:
    def rows(chosen: _Rows) -> _Part:
        return _Part(entity.codes[chosen], entries[chosen].tobytes())

    folded = entries[choice.folded]
    codes, ones = entity.codes[choice.folded], np.ones(len(folded), np.int64)
    payments = (ones, amount_units(folded))
    label = labels(folded)
    known = label > 0
    outcomes = (ones[known], label[known] >= LABEL_FRAUD, label[known] == LABEL_ORDINARY_FRAUD)
    keys = entries["transaction"][choice.labelled].view(np.uint8).reshape(-1, KEY_BYTES)[:, :LABEL_KEY_BYTES]
    parts = (
        _tiles(codes, folded["epoch"] // HOUR_SECONDS, payments, TILE_FIELDS, HOUR_TILES),
        _tiles(codes, folded["epoch"] // DAY_SECONDS, payments, TILE_FIELDS, DAY_TILES),
        _tiles(codes[known], folded["known_at"][known] // HOUR_SECONDS, outcomes, LABEL_TILE_FIELDS, HOUR_TILES),
        _tiles(codes[known], folded["known_at"][known] // DAY_SECONDS, outcomes, LABEL_TILE_FIELDS, DAY_TILES),
        _Part(entity.codes[choice.labelled], keys.tobytes()),
        rows(choice.kept),
    )
    entities = np.unique(entity.codes[choice.kept])
    for code, *items in zip(entities.tolist(), *(part.of(entities) for part in parts), strict=True):
        yield EntityState(kind, entity.names[code], History(*items).pack())


def _tiles(
    codes: NDArray[np.int32],
    starts: NDArray[np.uint32],
    values: tuple[NDArray[Any], ...],
    fields: tuple[int, ...],
    limit: int,
) -> _Part:
    """Returns the newest tiles of each entity.

    Args:
        codes: entity of each payment or label.
        starts: the tile it belongs to.
        values: its amounts for the fields after the start.
        fields: bytes of each field of a tile.
        limit: most tiles per entity.
    """
    order = np.lexsort((starts, codes))
    codes, starts = codes[order], starts[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (codes[1:] != codes[:-1]) | (starts[1:] != starts[:-1])
    firsts = np.flatnonzero(is_first)
    numbers = [np.add.reduceat(value[order].astype(np.int64), firsts) if len(firsts) else firsts for value in values]
    codes = codes[firsts]
    newest = _places_from_end(codes) <= limit
    columns = [_packed(column[newest], size) for column, size in zip((starts[firsts], *numbers), fields, strict=True)]
    return _Part(codes[newest], np.concatenate(columns, axis=1).tobytes())


def _packed(numbers: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Returns whole numbers as little-endian bytes [N, size]; what does not fit stays at the highest number."""
    fitting = np.minimum(numbers.astype(np.int64), min(MAX_NUMBER, (1 << 8 * size) - 1))[:, None]
    return (fitting >> 8 * np.arange(size)).astype(np.uint8)
