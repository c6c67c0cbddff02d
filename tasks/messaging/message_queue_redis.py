"""Celery queues in Redis, written without kombu's producer: under gevent that takes four times as long per message.

| key | type | life | holds |
| --- | --- | --- | --- |
| `<queue>` | list | kombu's own | envelopes, JSON; the newest at the head |

The envelope is that of kombu's Redis transport with `body_encoding` utf-8 and one priority, as `celeryconfig` has it; a
test compares it with Celery's own. Source: ops/adr/0006.
"""

from collections.abc import Mapping
from typing import Any

import orjson
import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable


def envelope(queue: str, *, message_id: str, headers: Mapping[str, Any], body: list[Any]) -> bytes:
    """Returns one task message as its list holds it.

    Args:
        queue: its name.
        message_id: the Celery task id.
        headers: of Celery's task protocol 2.
        body: positional arguments, keyword arguments, and follow-up tasks.
    """
    content = {
        "body": orjson.dumps(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "correlation_id": message_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "utf-8",
            "delivery_tag": message_id,
        },
    }
    return orjson.dumps(content)


class RedisMessageQueue:
    """Puts messages on Celery queues."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes

    def connect(self) -> None:
        """Opens the connection that the next message would open.

        Raises:
            StoreUnavailableError: the broker cannot be reached.
        """
        with redis_failures_as_unavailable():
            self._client.ping()

    def encode(self, queue: str, *, message_id: str, headers: Mapping[str, Any], body: list[Any]) -> bytes:
        """See `envelope`."""
        return envelope(queue, message_id=message_id, headers=headers, body=body)

    def put(self, queue: str, message: bytes) -> None:
        """Puts one envelope on a queue.

        Raises:
            StoreUnavailableError: the broker did not confirm it; it may have been queued all the same, even twice.
        """
        with redis_failures_as_unavailable():
            self._client.lpush(queue, message)
