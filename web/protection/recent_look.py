"""What a public route saw a moment ago, so that a flood of questions costs the servers behind it nothing."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_KEEP_SECONDS = 0.5
"""A probe asks every few seconds and loses nothing; of a flood, two questions a second reach Redis."""

Seen = TypeVar("Seen")


class RecentLook(Generic[Seen]):
    """Keeps what the last look has seen. While one caller looks, the others wait for what it sees.

    Args:
        keep_seconds: how long it counts, from the end of the look.
        clock: monotonic seconds.
    """

    def __init__(self, keep_seconds: float = _KEEP_SECONDS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._lock = Lock()
        self._seen: tuple[Seen, float] | None = None

    def take(self, look: Callable[[], Seen]) -> Seen:
        """Returns what was seen lately, or what `look` sees now."""
        with self._lock:
            if self._seen is None or self._clock() >= self._seen[1]:
                self._seen = look(), self._clock() + self._keep_seconds
            return self._seen[0]
