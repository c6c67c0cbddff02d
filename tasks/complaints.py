"""What fails again and again is said at once, then ever more rarely, so that a log stays readable meanwhile."""

import time
from collections.abc import Callable

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0
_FORGOTTEN_SECONDS = 10.0
"""Without a failure for so long, the next one is a new one."""
_MOST_REMEMBERED = 100


class Complaints:
    """Remembers which failures were said, and when each may be said again; used by one thread.

    The pause between two lines of the same text grows from two seconds to a minute.

    Args:
        clock: returns seconds that only go forward.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, tuple[float, float, float]] = {}  # last failure, next line, pause after it

    def is_due(self, text: str) -> bool:
        """Notes a failure and returns whether it is to be said now."""
        now = self._clock()
        last, due, pause = self._said.pop(text, (now, now, FIRST_PAUSE_SECONDS))
        if now - last > _FORGOTTEN_SECONDS:
            due, pause = now, FIRST_PAUSE_SECONDS
        is_due = now >= due
        if is_due:
            due, pause = now + pause, min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._said[text] = (now, due, pause)
        if len(self._said) > _MOST_REMEMBERED:
            self._said.pop(next(iter(self._said)))
        return is_due
