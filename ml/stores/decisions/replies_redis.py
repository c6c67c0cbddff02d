"""The reply list of one web process. Keys: see `ml.stores.decisions.keys_redis`."""

import secrets
from typing import Any

import redis

from ml.stores.decisions.keys_redis import REPLY_TTL_MS, reply_key
from ml.stores.redis.failures_redis import redis_failures_as_unavailable


def push_reply(client: "redis.Redis", address: str, reply: bytes) -> None:
    """Puts a reply on the list of the process that waits for it."""
    with client.pipeline(transaction=False) as pipeline:
        pipeline.lpush(address, reply)
        pipeline.pexpire(address, REPLY_TTL_MS)
        pipeline.execute()


class RedisReplyBox:
    """Waits for replies on a list of its own.

    The client must be this box's alone: a blocking pop occupies its connection. Each box has a fresh address, so a
    reply to a process that died is never read by its successor; unread replies expire.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._address = reply_key(secrets.token_hex(8))

    @property
    def address(self) -> str:
        """The Redis key that replies to this process are pushed to."""
        return self._address

    def wait(self, timeout_seconds: float) -> bytes | None:
        """Returns the next reply, or None when the time is over.

        Raises:
            StoreUnavailableError: the connection died; the reply may come after a reconnect or never.
        """
        if timeout_seconds <= 0:  # Redis reads 0 as "for ever"
            return None
        with redis_failures_as_unavailable():
            popped = self._client.blpop([self._address], timeout=max(timeout_seconds, 0.001))
        return None if popped is None else popped[1]
