"""How a worker consumes: it comes back to its broker soon, and survives what it finds there."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

from workers.dead_messages_redis import TolerantChannel

_FIRST_PAUSE_SECONDS, _PAUSE_STEP_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 0.2, 1.0


class SteadyConsumer(Consumer):
    """Asks for its broker once a second, and reads past what is no message.

    Celery's own pauses grow to half a minute, which callers would wait out.
    """

    def ensure_connected(self, conn: Any) -> Any:
        """Returns the connection, connected; kombu has no setting for its pauses nor for its channel's class."""
        conn.transport.Channel = TolerantChannel
        conn.ensure_connection = partial(
            conn.ensure_connection,
            interval_start=_FIRST_PAUSE_SECONDS,
            interval_step=_PAUSE_STEP_SECONDS,
            interval_max=_LONGEST_PAUSE_SECONDS,
        )
        return super().ensure_connected(conn)
