"""The online feature state, computed from history instead of lived through."""

from collections.abc import Iterator
from itertools import pairwise
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ml.features.definition import CUSTOMER_RING_CAPACITY, TERMINAL_RING_CAPACITY
from ml.features.history import COUNTRY_MASK, transaction_key
from ml.features.offline import encode_table, terminal_part
from ml.stores.features import EntityKind, EntityState
from ml.table import NEVER, UNKNOWN, Column, TransactionTable


def entity_states(table: TransactionTable, until_seconds: int | None = None) -> Iterator[EntityState]:
    """Yields the state of every customer and terminal at a moment, as if the platform had scored the rows before it.

    Args:
        table: the history.
        until_seconds: the moment; rows count that arrived before it, and labels that were known by then. All rows
            and labels by default.
    """
    moment = _moment(until_seconds)
    past = table.select(table.arrived_at < moment)
    entries = encode_table(past)
    is_known = (past.fraud_known_at(moment) != UNKNOWN) & ~past.is_presumed
    entries["known_at"] = np.where(is_known, past.label_known_at, NEVER)
    entries["tag"] = np.where(is_known, entries["tag"], entries["tag"] & np.uint16(COUNTRY_MASK))
    kept = {
        "customer": _newest(past.customer_id, CUSTOMER_RING_CAPACITY),
        "terminal": _newest(past.terminal_id, TERMINAL_RING_CAPACITY),
    }
    # Only what some ring still holds is worth hashing.
    needed = np.unique(np.concatenate(list(kept.values())))
    entries["transaction"][needed] = [transaction_key(str(name)) for name in past.transaction_id[needed]]
    parts = {"customer": entries, "terminal": terminal_part(entries)}
    columns = {"customer": past.customer_id, "terminal": past.terminal_id}
    for kind in get_args(EntityKind):
        yield from _states(kind, columns[kind], parts[kind], kept[kind])


def count_entities(table: TransactionTable, until_seconds: int | None = None) -> int:
    """Returns how many states `entity_states` yields."""
    is_past = table.arrived_at < _moment(until_seconds)
    return sum(len(np.unique(column.codes[is_past])) for column in (table.customer_id, table.terminal_id))


def _moment(until_seconds: int | None) -> int:
    return NEVER - 1 if until_seconds is None else until_seconds


def _newest(entity: Column, capacity: int) -> NDArray[np.intp]:
    """Returns the rows that are among their entity's newest, grouped by entity, each group in time order."""
    order = np.argsort(entity.codes, kind="stable")
    codes = entity.codes[order]
    after = np.searchsorted(codes, codes, side="right") - np.arange(len(codes))
    return np.asarray(order[after <= capacity], np.intp)


def _states(
    kind: EntityKind, entity: Column, entries: NDArray[np.void], kept: NDArray[np.intp]
) -> Iterator[EntityState]:
    codes = entity.codes[kept]
    rings = entries[kept].tobytes()
    size = entries.dtype.itemsize
    bounds = [*np.flatnonzero(np.diff(codes, prepend=-2)).tolist(), len(codes)]
    for start, end in pairwise(bounds):
        yield EntityState(kind, entity.names[codes[start]], rings[start * size : end * size])
