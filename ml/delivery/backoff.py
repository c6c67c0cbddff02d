"""Backing off: a sink that was unavailable is not asked again by every doorbell."""

import time
from collections.abc import Callable

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 4.0
"""Short, because the next doorbell adds up to `DRAIN_FALLBACK_SECONDS` to the time until the sink is found again."""


class Backoff:
    """How long a drain leaves its sink alone: twice as long after each failure in a row, 4 s at most."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait_seconds = 0.0
        self._until = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether the sink shall be left alone yet."""
        return self._clock() < self._until

    def note(self, *, is_available: bool) -> None:
        """Takes in how a drain ended."""
        if is_available:
            self._wait_seconds = 0.0
            return
        self._wait_seconds = min(2 * self._wait_seconds or _FIRST_SECONDS, _LONGEST_SECONDS)
        self._until = self._clock() + self._wait_seconds
