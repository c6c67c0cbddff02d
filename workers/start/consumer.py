"""How a worker consumes: it reconnects to its broker soon, survives unreadable messages and sends task events together.

Celery sends the three events of a task as soon as it is done, which for a scoring message costs a tenth of the
scoring. Here they wait for those of the next tasks, a fraction of a second at most, so that Flower sees every task at
the price of a few messages a second.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

from ml.stores.redis.refusals_redis import RefusedError
from tasks.complaints import Complaints
from workers.start.dead_messages_redis import TolerantChannel
from workers.start.obstacle import OBSTACLE

_FIRST_PAUSE_SECONDS, _PAUSE_STEP_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 0.2, 1.0

_EVENTS_WAIT_SECONDS = 0.2
_MOST_EVENTS = 600  # leave at once, without waiting: about 100 KB


class SteadyConsumer(Consumer):
    """Asks for its broker once a second, and skips an unreadable message.

    Celery's own pauses grow to half a minute, which callers would wait out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._events_wait = False
        super().__init__(*args, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        """Returns the connection, connected; kombu has no setting for its pauses nor for its channel's class."""
        conn.transport.Channel = TolerantChannel
        connect = conn.ensure_connection
        conn.ensure_connection = partial(
            lambda say, *args, **options: connect(self._rarely(say), *args, **options),
            interval_start=_FIRST_PAUSE_SECONDS,
            interval_step=_PAUSE_STEP_SECONDS,
            interval_max=_LONGEST_PAUSE_SECONDS,
        )
        return super().ensure_connected(conn)

    @staticmethod
    def _rarely(say: Callable[[Exception, float], None]) -> Callable[[Exception, float], None]:
        """Returns what logs a failed attempt, for attempts that come every second for as long as the broker is away."""
        complaints = Complaints()

        def say_if_due(error: Exception, pause_seconds: float) -> None:
            if complaints.is_due(str(error)):
                say(error, pause_seconds)

        return say_if_due

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Closes the connection; a server that refuses is there at once, so nothing else would make a pause."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, RefusedError):
            OBSTACLE.note(str(exc))
            time.sleep(_LONGEST_PAUSE_SECONDS)

    def on_send_event_buffered(self) -> None:
        """Called for every task event that was put down; the first one starts the wait."""
        if self.hub and not self._events_wait:
            self._events_wait = True
            self.event_dispatcher.buffer_limit = _MOST_EVENTS
            self.hub.call_later(_EVENTS_WAIT_SECONDS, self._send_events)

    def on_close(self) -> None:
        """Sends the waiting events before the connection goes."""
        self._send_events()
        super().on_close()

    def _send_events(self) -> None:
        self._events_wait = False
        with suppress(*self.connection_errors):  # a task is worth more than its event
            self._flush_events()
