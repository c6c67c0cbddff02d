"""Features of a table's rows, point-in-time correct: the offline executor of the kernel.

Each row sees the histories of its customer and terminal as they would have been when it arrived: the newest payments of
all that had arrived before it one by one, those before them in tiles; and of labels those that had become known.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, Column, TransactionTable
from ml.features.entries import (
    COUNTRY_MASK,
    CUSTOMER_ENTRY,
    LABEL_ORDINARY_FRAUD,
    LABEL_SHIFT,
    TERMINAL_ENTRY,
    country_code,
    is_ordinary,
    short_hash,
)
from ml.features.history import SHAPES, Shapes
from ml.features.kernel import FeatureMatrix, Windows, compute, ratio_to_median
from ml.features.past import Pasts
from ml.features.schema import FEATURE_COUNT, SEQUENCE_CHANNELS, SEQUENCE_LENGTH

_CHUNK_ROWS = 1024
_BUCKET = 8  # rows whose windows differ by less than this many entries share a chunk


def compute_features(
    table: TransactionTable, rows: NDArray[np.intp] | None = None, shapes: Shapes = SHAPES
) -> FeatureMatrix:
    """Returns vectors and sequences of the chosen rows, all by default, in the order of `rows`."""
    rows = np.arange(len(table)) if rows is None else np.asarray(rows, np.intp)
    entries = encode_table(table, shapes)
    customers = Pasts(table.customer_id, table.arrived_at, entries, newest=shapes.customer.newest)
    terminals = Pasts(table.terminal_id, table.arrived_at, terminal_part(entries), newest=shapes.terminal.newest)
    vectors = np.empty((len(rows), FEATURE_COUNT))
    sequences = np.empty((len(rows), SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS)), np.float32)
    order = np.lexsort((terminals.lengths(rows), customers.lengths(rows) // _BUCKET))
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
                customer_tiles=customers.tile_sums(chunk, customer_past, customer_counts),
                terminal_past=terminal_past,
                terminal_counts=terminal_counts,
                terminal_tiles=terminals.tile_sums(chunk, terminal_past, terminal_counts),
            )
        )
        vectors[places] = result.vectors
        sequences[places] = result.sequences
    return FeatureMatrix(vectors, sequences)


def encode_table(table: TransactionTable, shapes: Shapes = SHAPES) -> NDArray[np.void]:
    """Returns one customer entry per row, without the transaction hash, which no feature reads."""
    entries = np.zeros(len(table), CUSTOMER_ENTRY)
    entries["epoch"] = table.epoch_seconds
    entries["known_at"] = table.reported_at
    entries["amount_low"] = table.amount_units & 0xFFFFFFFF
    entries["amount_high"] = table.amount_units >> 32
    label = (table.is_fraud + 1).astype(np.uint16)
    entries["tag"] = _coded(table.country, country_code) | label << LABEL_SHIFT
    entries["terminal"] = _coded(table.terminal_id, short_hash)
    entries["device"] = _coded(table.device_id, short_hash)
    ordinary = _ordinary_frauds(table, entries, shapes)
    entries["tag"][ordinary] = entries["tag"][ordinary] & COUNTRY_MASK | LABEL_ORDINARY_FRAUD << LABEL_SHIFT
    return entries


def terminal_part(entries: NDArray[np.void]) -> NDArray[np.void]:
    """Returns the terminal's entries that belong to customers' entries."""
    part = np.empty(len(entries), TERMINAL_ENTRY)
    for name in TERMINAL_ENTRY.names or ():
        part[name] = entries[name]
    return part


def _ordinary_frauds(table: TransactionTable, entries: NDArray[np.void], shapes: Shapes) -> NDArray[np.intp]:
    """Returns the frauds whose amount did not stand out among their customer's earlier payments."""
    frauds = np.flatnonzero(table.is_fraud == FRAUD)
    if not len(frauds):
        return frauds
    customers = Pasts(table.customer_id, table.arrived_at, entries, newest=shapes.customer.newest)
    ratios = [
        ratio_to_median(entries[chunk], *customers.windows(chunk))
        for chunk in np.split(frauds, range(_CHUNK_ROWS, len(frauds), _CHUNK_ROWS))
    ]
    return frauds[is_ordinary(np.concatenate(ratios))]


def _coded(column: Column, code: Callable[[str | None], int]) -> NDArray[np.uint32]:
    # The extra last element is what code -1 points to.
    codes = np.array([*map(code, column.names), code(None)], np.uint32)
    return codes[column.codes]
