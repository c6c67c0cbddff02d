"""Cuts a test week into slices of event time in which labels and transactions may be sent one after the other.

A slice's labels are sent before its transactions. That is exact although most of them become known only while the
slice lasts: a feature counts a label from when it is known, not from when it arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.data.table import TransactionTable

SLICE_SECONDS = 6 * 3_600


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: rows of the table in the order of sending.

    Attributes:
        labels: rows whose labels are sent first, in the order in which they became known.
        transactions: rows that are scored then, a range.
    """

    labels: NDArray[np.intp]
    transactions: NDArray[np.intp]


def cut(table: TransactionTable, rows: NDArray[np.intp], *, known_since: int) -> Iterator[Slice]:
    """Yields the slices of some rows, a range of the table.

    Every label that is known by the time of a transaction is sent before it, and no label before its own transaction;
    presumed labels are never sent. A slice is shorter than `SLICE_SECONDS` where labels come sooner than that.

    Args:
        table: transactions that arrived at their event time.
        rows: the rows to score.
        known_since: epoch seconds; labels known by then are in the features already.
    """
    times = table.epoch_seconds[rows]
    # A label that is known in the second of its own transaction counts from the next second on.
    known = np.maximum(table.reported_at, table.epoch_seconds + 1)
    last = int(rows[-1])
    is_due = (table.reported_at > known_since) & (known <= times[-1])
    due = np.flatnonzero(is_due[: last + 1])
    due = due[np.argsort(known[due], kind="stable")]
    due_from = known[due]
    # The earliest label of all rows from each one on: before that moment they must have been sent.
    first_label = np.minimum.accumulate(known[rows][::-1])[::-1]
    start = sent = 0
    while start < len(rows):
        horizon = min(int(times[start]) + SLICE_SECONDS, int(first_label[start]))
        end = int(np.searchsorted(times, horizon))
        until = int(np.searchsorted(due_from, horizon))
        yield Slice(labels=due[sent:until], transactions=rows[start:end])
        start, sent = end, until
