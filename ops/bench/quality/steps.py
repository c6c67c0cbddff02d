"""Progress on standard error: the step, its stage, and how long the rest of all steps will take."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.bench.quality.hybrid import Progress
from ops.progress import ProgressLine


class Steps:
    """Steps of known relative cost; the time left is extrapolated from the steps that are done.

    Args:
        total_cost: of all steps, in the unit of each step's `cost`.
    """

    def __init__(self, total_cost: float) -> None:
        self._total = total_cost
        self._done = 0.0
        self._started = time.monotonic()
        self._line = ProgressLine(sys.stderr)

    @contextmanager
    def step(self, title: str, *, cost: float) -> Iterator[Progress]:
        """Runs one step, which may tell its stages; when it has ended well, prints how long it took."""
        started = time.monotonic()
        # The steps before this one set the pace; the first one has none to go by.
        pace = (started - self._started) / self._done if self._done else None
        self._line.show(title)

        def show(stage: str, share: float) -> None:
            left = "" if pace is None else self._left(pace, spent=time.monotonic() - started)
            self._line.show(f"{title}: {stage} {share:4.0%}{left}")

        yield show
        self._done += cost
        self._line.finish(f"{title}: {time.monotonic() - started:.1f} s")

    def _left(self, pace: float, *, spent: float) -> str:
        seconds = max(pace * (self._total - self._done) - spent, 0.0)
        return (
            f", about {seconds / 60:.0f} min left in all" if seconds >= 90 else f", about {seconds:.0f} s left in all"
        )
