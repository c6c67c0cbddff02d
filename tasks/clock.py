"""The one clock of the platform: that of the Redis behind REDIS_URL, as each process knows it.

Deadlines, signs of life and times of decisions travel between machines whose own clocks need not agree: 0.3 s between a
web process and a worker would be longer than a request may take. So every process reads Redis's `TIME` beside its work
now and then (`tasks.upkeep.clock_readings_redis`) and in between goes by its monotonic clock, which nobody sets.

A process that has not read it yet goes by its own clock. What is a matter of trust stays with the machine's clock:
whether a token or a request's timestamp is still valid.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

TOLERANCE_SECONDS: Final = 1.0
"""A machine's clock that is off by more is worth a warning; HTTP's timestamps and tokens allow for tens of seconds."""

_UNCERTAINTY_GROWTH = 0.0005
"""Per second of a reading's age: what a monotonic clock may gain or lose while it is slewed. Source: adjtimex(2)."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one question brought: Redis's time minus the monotonic clock, and how far off that may be, in seconds."""

    base: float
    uncertainty: float
    taken_at: float

    def uncertainty_at(self, now: float) -> float:
        return self.uncertainty + (now - self.taken_at) * _UNCERTAINTY_GROWTH


class SharedClock:
    """Redis's clock, from readings; safe for threads, since each reading replaces the one before as a whole.

    Args:
        monotonic: seconds that only move forward.
        wall: this machine's clock, epoch seconds.
    """

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._reading: _Reading | None = None

    def take(self, server_seconds: float, *, asked_at: float, answered_at: float) -> None:
        """Takes a reading over, unless the present one is better and the two agree.

        Args:
            server_seconds: Redis's `TIME`, epoch seconds.
            asked_at: on the monotonic clock.
            answered_at: likewise; Redis looked at its clock somewhere in between.
        """
        uncertainty = (answered_at - asked_at) / 2
        new = _Reading(server_seconds - (asked_at + answered_at) / 2, uncertainty, answered_at)
        known = self._reading
        if known is not None:
            allowed = known.uncertainty_at(answered_at)
            if uncertainty > allowed and abs(new.base - known.base) <= uncertainty + allowed:
                return
        self._reading = new

    @property
    def is_known(self) -> bool:
        """Whether Redis's clock was ever read."""
        return self._reading is not None

    def now(self) -> float:
        """Returns Redis's time, epoch seconds; this machine's before the first reading."""
        reading = self._reading
        return self._wall() if reading is None else reading.base + self._monotonic()

    def now_ms(self) -> int:
        """Returns the same in epoch milliseconds."""
        return int(self.now() * 1000)

    def utc(self) -> datetime:
        """Returns the same as a moment."""
        return datetime.fromtimestamp(self.now(), UTC)

    def offset(self) -> float:
        """Returns how many seconds this machine's clock is ahead of Redis's; 0 before the first reading."""
        reading = self._reading
        return 0.0 if reading is None else self._wall() - reading.base - self._monotonic()


SHARED_CLOCK: Final = SharedClock()
"""This process's."""
