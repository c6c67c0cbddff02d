"""Many values of one histogram at once, for scores: a batch touches each bucket once, not once per value."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from prometheus_client import Histogram


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """Does what `histogram.observe` does with each value; a reader sees them one bucket after the other."""
    places = Counter(bisect_left(histogram._upper_bounds, value) for value in values)  # noqa: SLF001 - it takes one value at a time otherwise
    histogram._sum.inc(sum(values))  # noqa: SLF001
    for place, count in places.items():
        histogram._buckets[place].inc(count)  # noqa: SLF001
