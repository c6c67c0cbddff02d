"""Waiting until earlier writes are in the memory of a server's replicas. Key: see `ml.stores.redis.fsync_redis`."""

from typing import Any

import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.fsync_redis import BARRIER, BARRIER_TTL_SECONDS


class RedisReplicas:
    """A barrier: after it, so many replicas have everything that any client had written before it.

    Source: the commands reference of WAIT, which Redis has since 3.0.

    Args:
        client: a Redis client.
        replicas: how many must have it.
        patience_seconds: longest wait; must be shorter than the client's own timeout.
    """

    def __init__(self, client: "redis.Redis", *, replicas: int, patience_seconds: float) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._replicas = replicas
        self._patience_ms = max(1, int(patience_seconds * 1000))

    def is_at_once(self) -> bool:
        """See `Barrier.is_at_once`: no server replies only when its replicas have everything."""
        return False

    def wait(self) -> None:
        """See `Barrier.wait`."""
        with redis_failures_as_unavailable(), self._client.pipeline(transaction=False) as pipeline:
            # WAIT waits for this connection's own writes: this one comes after whatever any connection wrote.
            pipeline.set(BARRIER, "", ex=BARRIER_TTL_SECONDS)
            pipeline.execute_command("WAIT", self._replicas, self._patience_ms)
            _, having = pipeline.execute()
        if having < self._replicas:
            raise StoreUnavailableError(f"{having} of {self._replicas} replicas of Redis had it in time")
