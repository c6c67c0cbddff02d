"""Features of arriving transactions from the rings of their entities: the online executor of the kernel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.features.history import COUNTRY_MASK, CUSTOMER_ENTRY, TERMINAL_ENTRY, find
from ml.features.kernel import FeatureMatrix, Windows, compute, ratio_to_median


def compute_online(
    entries: Sequence[bytes], customer_pasts: Sequence[bytes], terminal_pasts: Sequence[bytes]
) -> FeatureMatrix:
    """Returns the features of at least one transaction.

    Args:
        entries: each transaction's own customer entry.
        customer_pasts: the part of each customer's ring that lies before the transaction.
        terminal_pasts: likewise of each terminal's ring.
    """
    current = np.frombuffer(b"".join(entries), CUSTOMER_ENTRY)
    customer_past, customer_counts = _windows(customer_pasts, CUSTOMER_ENTRY)
    terminal_past, terminal_counts = _windows(terminal_pasts, TERMINAL_ENTRY)
    return compute(
        Windows(
            epoch_seconds=current["epoch"].astype(np.int64),
            amount_units=_amount_units(current),
            terminal=current["terminal"],
            device=current["device"],
            country=current["tag"] & np.uint16(COUNTRY_MASK),
            customer_past=customer_past,
            customer_counts=customer_counts,
            terminal_past=terminal_past,
            terminal_counts=terminal_counts,
        )
    )


def amount_ratio(customer_ring: bytes, key: int) -> float | None:
    """Returns a payment's ratio to its customer's median before it, None if the ring no longer holds the payment."""
    size = CUSTOMER_ENTRY.itemsize
    at = find(customer_ring, key.to_bytes(8, "little"), size)
    if at < 0:
        return None
    past, counts = _windows([customer_ring[:at]], CUSTOMER_ENTRY)
    entry = np.frombuffer(customer_ring[at : at + size], CUSTOMER_ENTRY)
    return float(ratio_to_median(_amount_units(entry), past, counts)[0])


def _amount_units(entries: NDArray[np.void]) -> NDArray[np.int64]:
    units: NDArray[np.int64] = entries["amount_high"].astype(np.int64) << 32 | entries["amount_low"]
    return units


def _windows(pasts: Sequence[bytes], entry: np.dtype[np.void]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    lengths = [len(past) for past in pasts]
    width_bytes = max(entry.itemsize, *lengths)
    padded = b"".join([past.rjust(width_bytes, b"\0") for past in pasts])
    counts = np.array(lengths, np.intp) // entry.itemsize
    return np.frombuffer(padded, entry).reshape(len(pasts), -1), counts
