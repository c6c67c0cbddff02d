"""What a process remembers for the status page: the last overview for a second, and the samples."""

import time
from collections.abc import Callable

from web.protection.recent_look import RecentLook
from web.status.overview import Overview
from web.status.samples import Samples

_FRESH_SECONDS = 1.0


class StatusMemory:
    """Lets however many lookers share one look a second.

    Args:
        samples: of the last minutes.
        clock: monotonic seconds.
    """

    def __init__(self, samples: Samples | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.samples = samples or Samples()
        self._last = RecentLook[Overview](_FRESH_SECONDS, clock=clock)

    def overview(self, look: Callable[[], Overview]) -> Overview:
        """Returns the last overview if it is fresh, else a new one; others wait for the one that looks."""
        return self._last.take(look)
