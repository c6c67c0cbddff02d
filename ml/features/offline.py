"""Features of a table's rows, point-in-time correct: the offline executor of the kernel.

Each row sees what its customer's and terminal's rings would have held when it arrived: the newest entries, up to the
ring's capacity, of all that had arrived before it, of those the ones that are not younger; and of labels those that
had become known.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.features.definition import CUSTOMER_RING_CAPACITY, TERMINAL_RING_CAPACITY
from ml.features.history import (
    COUNTRY_MASK,
    CUSTOMER_ENTRY,
    LABEL_ORDINARY_FRAUD,
    LABEL_SHIFT,
    TERMINAL_ENTRY,
    country_code,
    is_ordinary,
    short_hash,
)
from ml.features.kernel import FeatureMatrix, Windows, compute, ratio_to_median
from ml.features.schema import FEATURE_COUNT, SEQUENCE_CHANNELS, SEQUENCE_LENGTH
from ml.table import FRAUD, Column, TransactionTable

_CHUNK_ROWS = 1024
_BUCKET = 8  # rows whose rings differ by less than this many entries share a chunk


def compute_features(table: TransactionTable, rows: NDArray[np.intp] | None = None) -> FeatureMatrix:
    """Returns vectors and sequences of the chosen rows, all by default, in the order of `rows`."""
    rows = np.arange(len(table)) if rows is None else np.asarray(rows, np.intp)
    entries = encode_table(table)
    customers = _Histories(table, table.customer_id, entries, capacity=CUSTOMER_RING_CAPACITY)
    terminals = _Histories(table, table.terminal_id, terminal_part(entries), capacity=TERMINAL_RING_CAPACITY)
    vectors = np.empty((len(rows), FEATURE_COUNT))
    sequences = np.empty((len(rows), SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS)), np.float32)
    customer_lengths, terminal_lengths = customers.lengths(rows), terminals.lengths(rows)
    order = np.lexsort((terminal_lengths, customer_lengths // _BUCKET))
    for start in range(0, len(rows), _CHUNK_ROWS):
        places = order[start : start + _CHUNK_ROWS]
        chunk = rows[places]
        customer_past, customer_counts = customers.windows(chunk)
        terminal_past, terminal_counts = terminals.windows(chunk)
        result = compute(
            Windows(
                epoch_seconds=table.epoch_seconds[chunk],
                amount_units=table.amount_units[chunk],
                terminal=entries["terminal"][chunk],
                device=entries["device"][chunk],
                country=entries["tag"][chunk] & np.uint16(COUNTRY_MASK),
                customer_past=customer_past,
                customer_counts=customer_counts,
                terminal_past=terminal_past,
                terminal_counts=terminal_counts,
            )
        )
        vectors[places] = result.vectors
        sequences[places] = result.sequences
    return FeatureMatrix(vectors, sequences)


def encode_table(table: TransactionTable) -> NDArray[np.void]:
    """Returns one customer entry per row, but for the transaction hash, which no feature reads."""
    entries = np.zeros(len(table), CUSTOMER_ENTRY)
    entries["epoch"] = table.epoch_seconds
    entries["known_at"] = table.reported_at
    entries["amount_low"] = table.amount_units & 0xFFFFFFFF
    entries["amount_high"] = table.amount_units >> 32
    label = (table.is_fraud + 1).astype(np.uint16)
    entries["tag"] = _coded(table.country, country_code) | label << LABEL_SHIFT
    entries["terminal"] = _coded(table.terminal_id, short_hash)
    entries["device"] = _coded(table.device_id, short_hash)
    ordinary = _ordinary_frauds(table, entries)
    entries["tag"][ordinary] = entries["tag"][ordinary] & COUNTRY_MASK | LABEL_ORDINARY_FRAUD << LABEL_SHIFT
    return entries


def _ordinary_frauds(table: TransactionTable, entries: NDArray[np.void]) -> NDArray[np.intp]:
    """Returns the frauds whose amount did not stand out among what their customer had paid before."""
    frauds = np.flatnonzero(table.is_fraud == FRAUD)
    if not len(frauds):
        return frauds
    customers = _Histories(table, table.customer_id, entries, capacity=CUSTOMER_RING_CAPACITY)
    ratios = [
        ratio_to_median(table.amount_units[chunk], *customers.windows(chunk))
        for chunk in np.split(frauds, range(_CHUNK_ROWS, len(frauds), _CHUNK_ROWS))
    ]
    return frauds[is_ordinary(np.concatenate(ratios))]


def terminal_part(entries: NDArray[np.void]) -> NDArray[np.void]:
    """Returns the terminal's entries that belong to customers' entries."""
    part = np.empty(len(entries), TERMINAL_ENTRY)
    for name in TERMINAL_ENTRY.names or ():
        part[name] = entries[name]
    return part


def _coded(column: Column, code: Callable[[str | None], int]) -> NDArray[np.uint32]:
    # The extra last element is what code -1 points to.
    codes = np.array([*map(code, column.names), code(None)], np.uint32)
    return codes[column.codes]


def _take(entries: NDArray[np.void], places: NDArray[np.intp]) -> NDArray[np.void]:
    """Returns `entries[places]`; numpy copies rows of whole words several times faster than records."""
    words = entries.view(np.uint64).reshape(len(entries), -1)
    return words.take(places, axis=0).view(entries.dtype)[..., 0]


class _Histories:
    """The rows of a table grouped by entity, from which every row's window is cut.

    Entities whose rows arrived in event-time order are sliced; for the few others each row's window is a list of
    its own.
    """

    def __init__(self, table: TransactionTable, entity: Column, entries: NDArray[np.void], *, capacity: int) -> None:
        order = np.argsort(entity.codes, kind="stable")
        codes = entity.codes[order]
        self._capacity = capacity
        self._entries = _take(entries, order)
        self._arrived = table.arrived_at[order]
        self._position = np.empty(len(order), np.intp)
        self._position[order] = np.arange(len(order))
        is_first = np.ones(len(order), bool)
        is_first[1:] = codes[1:] != codes[:-1]
        self._start = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
        is_late = np.zeros(len(order), bool)
        is_late[1:] = ~is_first[1:] & (self._arrived[1:] < self._arrived[:-1])
        self._is_disordered = np.isin(codes, codes[is_late])

    def windows(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
        """Returns the rows' windows [B, W], right-aligned, and how many entries each holds."""
        positions = self._position[rows]
        counts = self.lengths(rows)
        width = max(1, int(counts.max(initial=0)))
        past = _take(self._entries, np.maximum(positions[:, None] - width + np.arange(width), 0))
        for index in np.flatnonzero(self._is_disordered[positions]):
            if counts[index]:
                past[index, width - counts[index] :] = self._entries[self._seen_by(int(positions[index]))]
        return past, counts

    def lengths(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Returns how many entries the rows' windows hold."""
        positions = self._position[rows]
        counts = np.minimum(positions - self._start[positions], self._capacity)
        for index in np.flatnonzero(self._is_disordered[positions]):
            counts[index] = len(self._seen_by(int(positions[index])))
        return counts

    def _seen_by(self, position: int) -> NDArray[np.intp]:
        """Returns the positions of the entries that the row saw: those in the ring at its arrival, up to its time."""
        start = self._start[position]
        end = start + np.searchsorted(self._start[start:], start, side="right")
        members = np.arange(start, end)
        arrived, mine = self._arrived[start:end], self._arrived[position]
        ring: NDArray[np.intp] = members[(arrived < mine) | ((arrived == mine) & (members < position))][
            -self._capacity :
        ]
        return ring[ring < position]
