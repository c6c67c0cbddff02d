"""The past of each row of a table: its entity's payments in order of arrival, from which every row's view is cut."""

import numpy as np
from numpy.typing import NDArray

from ml.data.table import Column
from ml.features.entries import labels
from ml.features.running_totals import RunningTotals
from ml.features.tile_sums import TileSums, sums_of_payments


class Pasts:
    """The payments of every entity of one kind.

    Args:
        entity: the entity of each row; rows are sorted by event time, those of one second by arrival.
        arrived_at: when each row arrived; rows of the same moment arrived in the order of the table.
        entries: each row's entry.
        newest: payments that a row sees one by one.
    """

    def __init__(
        self, entity: Column, arrived_at: NDArray[np.int64], entries: NDArray[np.void], *, newest: int
    ) -> None:
        order = np.lexsort((arrived_at, entity.codes))
        codes = entity.codes[order]
        number = np.arange(len(order))
        self._newest = newest
        self._entries = _take(entries, order)
        self._position = np.empty(len(order), np.intp)
        self._position[order] = number
        is_first = np.ones(len(order), bool)
        is_first[1:] = codes[1:] != codes[:-1]
        self._start = np.maximum.accumulate(np.where(is_first, number, 0))
        in_time = np.argsort(entity.codes, kind="stable")
        self._totals = RunningTotals(_take(entries, in_time), codes)
        self._is_prefix_earliest = _earliest_prefixes(order, in_time)
        known_early = (labels(self._entries) > 0) & (self._entries["known_at"] < self._entries["epoch"])
        self._is_plausible = ~np.isin(codes, codes[known_early])

    def lengths(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Returns how many payments the rows see one by one."""
        positions = self._position[rows]
        return np.minimum(positions - self._start[positions], self._newest)

    def windows(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.void], NDArray[np.intp]]:
        """Returns these payments [B, W], right-aligned, in order of arrival, and their numbers [B]."""
        counts = self.lengths(rows)
        width = max(1, int(counts.max(initial=0)))
        places = self._position[rows][:, None] - width + np.arange(width)
        return _take(self._entries, np.maximum(places, 0)), counts

    def tile_sums(self, rows: NDArray[np.intp], past: NDArray[np.void], counts: NDArray[np.intp]) -> TileSums:
        """Returns the rows' sums over the payments before these; `past` and `counts` as `windows` returned them."""
        sums = TileSums.none(len(rows))
        positions = self._position[rows]
        starts, ends = self._start[positions], positions - counts
        busy = np.flatnonzero(ends > starts)
        if not len(busy):
            return sums
        is_earliest = self._is_prefix_earliest
        is_in_order = self._is_plausible[positions[busy]]
        for last in (ends[busy] - 1, positions[busy] - 1, positions[busy]):
            is_in_order &= is_earliest[last]
        now = self._entries["epoch"].astype(np.int64)[positions]
        quick = busy[is_in_order]
        if len(quick):
            # Only the rows with all their newest payments are busy: no column of theirs is unused.
            view = past[quick, past.shape[1] - self._newest :]
            sums.put(quick, self._totals.sums(starts[quick], ends[quick], now[quick], view))
        for row in busy[~is_in_order]:
            folded = self._entries[starts[row] : ends[row]]
            epochs = self._entries["epoch"][ends[row] : positions[row]].astype(np.int64)
            sums.put(np.array([row]), sums_of_payments(folded, int(now[row]), epochs))
        return sums


def _earliest_prefixes(order: NDArray[np.intp], in_time: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Returns, by entity and arrival, whether the first i+1 arrivals are the i+1 earliest by event time.

    Args:
        order: rows by entity and arrival.
        in_time: rows by entity and event time.
    """
    rank = np.empty(len(order), np.intp)
    rank[in_time] = np.arange(len(order))
    # Entities lie one after the other in both orders: a running maximum never reaches over a border.
    return np.asarray(np.maximum.accumulate(rank[order]) == np.arange(len(order)))


def _take(entries: NDArray[np.void], places: NDArray[np.intp]) -> NDArray[np.void]:
    """Returns `entries[places]`; numpy copies rows of whole words several times faster than records."""
    words = entries.view(np.uint64).reshape(len(entries), -1)
    return words.take(places, axis=0).view(entries.dtype)[..., 0]
