"""When a refused client should come again: later the longer an outage lasts, and never all clients at once.

A constant hint would bring every client back in the same second, and again in every second of an outage. So a hint is
drawn from a range, and its lower end grows to a quarter of the time for which the route has failed, up to
`LONGEST_SECONDS`: a client loses at most about half as much time as the outage itself cost it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import SystemRandom

LONGEST_SECONDS = 30.0
"""Lower end of the longest hint; an outage of two minutes reaches it."""

_GROWTH = 0.25
_QUIET_SECONDS = 120.0
"""Without a failure for so long, the next one begins an outage of its own: nobody who obeys a hint waits as long."""

_random = SystemRandom()


def spread(seconds: float, *, draw: Callable[[float, float], float] = _random.uniform) -> int:
    """Returns whole seconds between the given and half as much again and one more.

    >>> spread(1, draw=min), spread(1, draw=max), spread(30, draw=min), spread(30, draw=max)
    (1, 2, 30, 46)
    """
    return int(draw(seconds, 1.5 * seconds + 1))


@dataclass(slots=True)
class _Outage:
    began: float
    last: float


class Outages:
    """The routes of this process that fail now, each since when.

    Args:
        clock: monotonic, seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_route: dict[str, _Outage] = {}

    def hint(self, route: str, at_least: float) -> int:
        """Notes a failure of a route, and returns the seconds after which its client should come again."""
        now = self._clock()
        outage = self._by_route.get(route)
        if outage is None or now - outage.last > _QUIET_SECONDS:
            outage = self._by_route[route] = _Outage(now, now)
        outage.last = now
        return spread(max(at_least, min(LONGEST_SECONDS, (now - outage.began) * _GROWTH)))

    def note_success(self, route: str | None) -> None:
        """Ends the outage of a route, if there is one."""
        if self._by_route:  # nearly never
            self._by_route.pop(route or "", None)
