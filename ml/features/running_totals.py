"""Tile sums of a table's rows from running totals.

Where an entity's folded payments are its first ones in time, a window's sum over them is the difference of two running
totals. Labels become known in another order: there it is the difference of two totals over
the order of labels, less what the row still sees one by one.
"""

import numpy as np
from numpy.typing import NDArray

from ml.domain.durations import DAY_SECONDS
from ml.features.entries import LABEL_FRAUD, LABEL_ORDINARY_FRAUD, amount_units, labels
from ml.features.tile_sums import Floats, Seconds, TileSums, label_borders, label_end, payment_borders

_ENTITY = np.int64(1 << 33)  # above every time


class RunningTotals:
    """Totals over entries grouped by entity, each group in time order.

    Args:
        entries: [N].
        entity: ascending codes [N].
    """

    def __init__(self, entries: NDArray[np.void], entity: NDArray[np.integer]) -> None:
        self._entity = entity.astype(np.int64) * _ENTITY
        self._epochs = entries["epoch"].astype(np.int64)
        self._keys = self._entity + self._epochs
        self._amounts = np.concatenate([[0], amount_units(entries).cumsum()])
        label = labels(entries)
        labelled = np.flatnonzero(label > 0)
        known_keys = self._entity[labelled] + entries["known_at"][labelled]
        order = np.argsort(known_keys, kind="stable")
        self._known_keys = known_keys[order]
        outcomes = _outcomes(label[labelled][order])
        self._known = np.concatenate([np.zeros((3, 1)), outcomes.cumsum(axis=1)], axis=1)

    def sums(self, start: NDArray[np.intp], end: NDArray[np.intp], now: Seconds, view: NDArray[np.void]) -> TileSums:
        """Returns the tile sums of rows whose folded payments are the entries from `start` to `end`.

        No payment that arrived after such a row may come before it in time, and none may have been labelled before
        it was made.

        Args:
            start: where the rows' entities begin [B].
            end: the first entries that are not folded [B].
            now: event times [B].
            view: the entries that the rows see one by one [B, W], zeros where there is none.
        """
        entity = self._entity[start]
        borders = payment_borders(now)
        first = np.clip(np.searchsorted(self._keys, entity + borders), start, end)
        counts = (end - first).astype(float)
        amounts = (self._amounts[end] - self._amounts[first]).astype(float)
        oldest = self._epochs[first[-1]] // DAY_SECONDS * DAY_SECONDS
        return TileSums(counts, amounts, np.where(counts[-1] > 0, now - oldest, 0.0), self._labels(entity, now, view))

    def _labels(self, entity: Seconds, now: Seconds, view: NDArray[np.void]) -> Floats:
        borders, end = label_borders(now), label_end(now)
        first, last = (
            np.searchsorted(self._known_keys, entity + borders),
            np.searchsorted(self._known_keys, entity + end),
        )
        totals = self._known[:, last][:, None] - self._known[:, first]
        known_at, outcomes = view["known_at"].astype(np.int64), _outcomes(labels(view))
        inside = (known_at >= borders[:, :, None]) & (known_at < end[:, None])
        return np.asarray(totals - np.einsum("wrk,frk->fwr", inside, outcomes))


def _outcomes(label: NDArray[np.uint16]) -> Floats:
    return np.stack([label > 0, label >= LABEL_FRAUD, label == LABEL_ORDINARY_FRAUD]).astype(float)
