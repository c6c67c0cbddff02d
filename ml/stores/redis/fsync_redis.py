"""Waiting until earlier writes are on Redis's disk.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:barrier` | string | 60 s | nothing: it is written so that everything before it is known to be on disk |
"""

from typing import Any, Final

import redis
from redis.exceptions import ResponseError

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.persistence_redis import appendfsync

BARRIER: Final = "shrike:barrier"
BARRIER_TTL_SECONDS: Final = 60


class RedisFsync:
    """A barrier: after it, everything that any client had written before it is on the server's disk.

    With `appendfsync always` the server sends no reply before everything is on disk, so there is nothing to wait for;
    the setting is read each time, because it may be changed while the server runs. With `everysec` the wait
    takes up to a second. Source: the commands reference of WAITAOF, which Redis has since 7.2.

    Args:
        client: a Redis client.
        patience_seconds: longest wait; must be shorter than the client's own timeout.
    """

    def __init__(self, client: "redis.Redis", *, patience_seconds: float) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._patience_ms = max(1, int(patience_seconds * 1000))

    def is_at_once(self) -> bool:
        """Returns whether the server replies only when everything is on its disk.

        Raises:
            StoreUnavailableError: the server cannot be reached.
        """
        with redis_failures_as_unavailable():
            return appendfsync(self._client) == "always"

    def wait(self) -> None:
        """Returns once everything before is on disk.

        Raises:
            StoreUnavailableError: it is not known to be; it may be there all the same.
        """
        if self.is_at_once():
            return
        try:
            with redis_failures_as_unavailable():
                servers = self._written()
        except ResponseError as error:  # it keeps no append-only file, or knows no WAITAOF
            raise StoreUnavailableError(f"Redis cannot confirm what is on its disk: {error}") from error
        if servers < 1:
            raise StoreUnavailableError("Redis did not write to its disk in time")

    def _written(self) -> int:
        with self._client.pipeline(transaction=False) as pipeline:
            # WAITAOF waits for this connection's own writes: this one comes after whatever any connection wrote.
            pipeline.set(BARRIER, "", ex=BARRIER_TTL_SECONDS)
            pipeline.execute_command("WAITAOF", 1, 0, self._patience_ms)
            _, (local, _replicas) = pipeline.execute()
        return int(local)
