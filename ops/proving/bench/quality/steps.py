"""Progress on standard error: the step, its stage, and how long the rest of all steps will take."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ops.cli.progress import ProgressLine
from ops.proving.bench.quality.detectors.hybrid import Progress


class Steps:
    """Steps of known relative cost; the time left is extrapolated from the steps that are done.

    Args:
        total_cost: of all steps, in the unit of each step's `cost`.
        stream: where to; default: standard error.
        clock: returns the time in seconds.
    """

    def __init__(
        self, total_cost: float, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total_cost
        self._done = 0.0
        self._clock = clock
        self._started = clock()
        self._line = ProgressLine(stream or sys.stderr, clock=clock)

    @contextmanager
    def step(self, title: str, *, cost: float) -> Iterator[Progress]:
        """Runs one step, which may report its stages; prints how long it took if it succeeded."""
        started = self._clock()
        # The steps before this one set the pace; the first one has none to go by.
        pace = (started - self._started) / self._done if self._done else None
        self._line.show(title)

        def show(stage: str, share: float) -> None:
            left = "" if pace is None else self._left(pace, spent=self._clock() - started)
            self._line.show(f"{title}: {stage} {share:4.0%}{left}")

        yield show
        self._done += cost
        self._line.finish(f"{title}: {self._clock() - started:.1f} s")

    def _left(self, pace: float, *, spent: float) -> str:
        seconds = max(pace * (self._total - self._done) - spent, 0.0)
        return (
            f", about {seconds / 60:.0f} min left in all" if seconds >= 90 else f", about {seconds:.0f} s left in all"
        )
