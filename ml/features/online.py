"""Features of arriving transactions from the histories of their entities: the online executor of the kernel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.features.entries import COUNTRY_MASK, CUSTOMER_ENTRY, KEY_BYTES, amount_units
from ml.features.history import SHAPES, Shape, Shapes, View, find_entry, view_before
from ml.features.kernel import FeatureMatrix, Windows, compute, ratio_to_median
from ml.features.tile_sums import TileSums, sums_of_tiles


def compute_online(
    entries: Sequence[bytes], customers: Sequence[bytes], terminals: Sequence[bytes], shapes: Shapes = SHAPES
) -> FeatureMatrix:
    """Returns the features of at least one transaction.

    Args:
        entries: each transaction's own customer entry.
        customers: the history of each one's customer, with or without the transaction.
        terminals: likewise of each one's terminal.
        shapes: of the histories.
    """
    current = np.frombuffer(b"".join(entries), CUSTOMER_ENTRY)
    epochs = current["epoch"].astype(np.int64)
    keys = [entry[:KEY_BYTES] for entry in entries]
    customer_views = [view_before(*each, shapes.customer) for each in zip(customers, keys, strict=True)]
    terminal_views = [view_before(*each, shapes.terminal) for each in zip(terminals, keys, strict=True)]
    customer_past, customer_counts = _windows(customer_views, shapes.customer.entry)
    terminal_past, terminal_counts = _windows(terminal_views, shapes.terminal.entry)
    tiles = [view.tiles for view in (*customer_views, *terminal_views)]
    customer_tiles, terminal_tiles = _tile_sums(tiles, epochs, customer_past, terminal_past)
    return compute(
        Windows(
            epoch_seconds=epochs,
            amount_units=amount_units(current),
            terminal=current["terminal"],
            device=current["device"],
            country=current["tag"] & np.uint16(COUNTRY_MASK),
            customer_past=customer_past,
            customer_counts=customer_counts,
            customer_tiles=customer_tiles,
            terminal_past=terminal_past,
            terminal_counts=terminal_counts,
            terminal_tiles=terminal_tiles,
        )
    )


def amount_ratio(customer: bytes, key: bytes, shape: Shape = SHAPES.customer) -> float | None:
    """Returns a payment's ratio to its customer's median before it, None if the history no longer holds the payment."""
    entry = find_entry(customer, key, shape)
    if entry is None:
        return None
    past, counts = _windows([view_before(customer, key, shape)], CUSTOMER_ENTRY)
    return float(ratio_to_median(np.frombuffer(entry, CUSTOMER_ENTRY), past, counts)[0])


def _tile_sums(
    tiles: Sequence[bytes], now: NDArray[np.int64], customers: NDArray[np.void], terminals: NDArray[np.void]
) -> tuple[TileSums, TileSums]:
    """Returns the sums of customers' and of terminals' tiles, read in one go."""
    rows = len(now)
    if not any(tiles):
        return TileSums.none(rows), TileSums.none(rows)
    epochs = np.zeros((2 * rows, max(customers.shape[1], terminals.shape[1])), np.int64)
    epochs[:rows, : customers.shape[1]] = customers["epoch"]
    epochs[rows:, : terminals.shape[1]] = terminals["epoch"]
    return sums_of_tiles(tiles, np.concatenate([now, now]), epochs).halves()


def _windows(views: Sequence[View], entry: np.dtype[np.void]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    lengths = [len(view.entries) for view in views]
    width_bytes = max(entry.itemsize, *lengths)
    padded = b"".join([view.entries.rjust(width_bytes, b"\0") for view in views])
    counts = np.array(lengths, np.intp) // entry.itemsize
    return np.frombuffer(padded, entry).reshape(len(views), -1), counts
