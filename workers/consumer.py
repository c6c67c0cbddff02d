"""How a worker comes back to its broker: soon, and however long it was away."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

_FIRST_PAUSE_SECONDS, _PAUSE_STEP_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 0.2, 1.0


class PromptConsumer(Consumer):
    """Asks for its broker once a second. Celery's own pauses grow to half a minute, which callers would wait out."""

    def ensure_connected(self, conn: Any) -> Any:
        """Returns the connection, connected; kombu offers no setting for its pauses."""
        conn.ensure_connection = partial(
            conn.ensure_connection,
            interval_start=_FIRST_PAUSE_SECONDS,
            interval_step=_PAUSE_STEP_SECONDS,
            interval_max=_LONGEST_PAUSE_SECONDS,
        )
        return super().ensure_connected(conn)
