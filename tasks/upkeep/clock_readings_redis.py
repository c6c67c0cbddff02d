"""Reads Redis's clock for this process, and tells of a machine whose own clock is off."""

import logging
import time

from redis import Redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from observability import metrics
from security.refresher import Refresher
from tasks.clock import SHARED_CLOCK, TOLERANCE_SECONDS, SharedClock

_EVERY_SECONDS = 2.0
"""After a failover to a server with another clock, deadlines are off by the difference for no longer."""

_FIRST_READINGS = 4
"""The first of them opens the connection, which makes it a slow one."""

_log = logging.getLogger(__name__)


class ClockReadings:
    """Keeps the shared clock of one process.

    Args:
        client: of REDIS_URL, for nobody's request.
        service: the process, as its metric names it.
        clock: takes the readings.
    """

    def __init__(self, client: Redis, service: str, *, clock: SharedClock = SHARED_CLOCK) -> None:
        self._client = client
        self._clock = clock
        self._offset = metrics.clock_offset_seconds.labels(service=service)
        self._is_off = False
        self._refresher = Refresher(self.read_quietly, interval_seconds=_EVERY_SECONDS, name="clock readings")

    def read(self) -> None:
        """Reads Redis's clock in one round trip; the first time in some, of which the quickest counts.

        Raises:
            StoreUnavailableError: Redis cannot be reached; the reading before goes on serving.
        """
        for _ in range(1 if self._clock.is_known else _FIRST_READINGS):
            self._read_once()
        self._tell(self._clock.offset())

    def _read_once(self) -> None:
        with redis_failures_as_unavailable():
            asked_at = time.monotonic()
            seconds, microseconds = self._client.time()  # type: ignore[misc,unused-ignore] # typed for both kinds of client
            answered_at = time.monotonic()
        self._clock.take(seconds + microseconds / 1e6, asked_at=asked_at, answered_at=answered_at)

    def read_quietly(self) -> None:
        """Reads it, or goes by the reading before."""
        try:
            self.read()
        except StoreUnavailableError as error:
            _log.debug("Redis's clock was not read: %s", error)

    def start(self) -> None:
        """Reads it beside other work from now on; call it after the fork."""
        self._refresher.start()

    def _tell(self, offset: float) -> None:
        self._offset.set(offset)
        is_off = abs(offset) > TOLERANCE_SECONDS
        if is_off and not self._is_off:
            _log.warning(
                "this machine's clock disagrees with Redis's; set one of them right",
                extra={"ahead_seconds": round(offset, 3)},
            )
        elif self._is_off and not is_off:
            _log.info("this machine's clock agrees with Redis's again")
        self._is_off = is_off
