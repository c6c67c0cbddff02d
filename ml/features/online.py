"""Features of arriving transactions from the rings of their entities: the online executor of the kernel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml.features.history import COUNTRY_MASK, CUSTOMER_ENTRY, TERMINAL_ENTRY
from ml.features.kernel import FeatureMatrix, Windows, compute


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
    amount = current["amount_high"].astype(np.int64) << 32 | current["amount_low"]
    customer_past, customer_counts = _windows(customer_pasts, CUSTOMER_ENTRY)
    terminal_past, terminal_counts = _windows(terminal_pasts, TERMINAL_ENTRY)
    return compute(
        Windows(
            epoch_seconds=current["epoch"].astype(np.int64),
            amount_units=amount,
            terminal=current["terminal"],
            device=current["device"],
            country=current["tag"] & np.uint16(COUNTRY_MASK),
            customer_past=customer_past,
            customer_counts=customer_counts,
            terminal_past=terminal_past,
            terminal_counts=terminal_counts,
        )
    )


def _windows(pasts: Sequence[bytes], entry: np.dtype[np.void]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    lengths = [len(past) for past in pasts]
    width_bytes = max(entry.itemsize, *lengths)
    padded = b"".join([past.rjust(width_bytes, b"\0") for past in pasts])
    counts = np.array(lengths, np.intp) // entry.itemsize
    return np.frombuffer(padded, entry).reshape(len(pasts), -1), counts
