"""Messages that no worker can read, taken out of the way.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:dead-messages:<queue>` | stream, the newest 1,000 | until deleted | raw message and reason, for an operator |

Celery handles messages whose task is unknown or whose body is malformed. Content that is no message at all would end
the whole worker: kombu's reader raises and nothing catches it.
"""

import logging
from typing import Any

from kombu.transport.redis import Channel
from redis.exceptions import ResponseError

from ml.stores.redis.refusals_redis import RefusedError
from observability import metrics
from tasks.connections_redis import ConsumerConnection, TlsConsumerConnection
from workers.start.obstacle import OBSTACLE

_KEPT = 1_000
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError)
"""The errors that kombu raises over broken or deeply nested JSON, wrong encodings, missing and misplaced fields, and
numbers without bounds."""

_log = logging.getLogger(__name__)


def dead_messages_key(queue: str) -> str:
    """Returns the key of a queue's unreadable messages."""
    return f"shrike:dead-messages:{queue}"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


class TolerantChannel(Channel):  # type: ignore[misc,unused-ignore]
    """Reads on past a message that it cannot read, and keeps it for an operator.

    A key of another type is a lost connection to it, which the worker survives.
    """

    connection_class = ConsumerConnection
    connection_class_ssl = TlsConsumerConnection

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._popped: Any = None
        parse = self.client.parse_response

        def remember(*args: Any, **options: Any) -> Any:
            self._popped = None  # a reply that does not come must not leave an older message behind
            self._popped = parse(*args, **options)
            OBSTACLE.clear()
            return self._popped

        self.client.parse_response = remember

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except _UNREADABLE as error:
            if not self._popped:
                raise
            queue, message = self._popped
            self._keep(queue.decode(), message, _reason(error))
            return True

    def _receive_one(self, c: Any) -> Any:
        """Reads one control message; one that it cannot read is dropped, since nobody waits for it."""
        try:
            return super()._receive_one(c)
        except _UNREADABLE as error:
            _log.error("an unreadable control message was dropped", extra={"reason": _reason(error)})
            metrics.celery_task_total.labels("(unreadable)", "rejected").inc()
            return None

    def _keep(self, queue: str, message: bytes, reason: str) -> None:
        _log.error("an unreadable message was put aside", extra={"queue": queue, "reason": reason})
        metrics.celery_task_total.labels("(unreadable)", "rejected").inc()
        try:
            with self.conn_or_acquire() as client:
                client.xadd(dead_messages_key(queue), {"message": message, "reason": reason}, maxlen=_KEPT)
        except (RefusedError, ResponseError) as error:  # another type there, or no id left: it is worth no worker
            _log.error("the unreadable message could not be kept, and is gone: %s", error, extra={"queue": queue})
