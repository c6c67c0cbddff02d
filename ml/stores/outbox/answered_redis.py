"""The answered index in Redis. Keys: see `ml.stores.outbox.keys_redis`; the commit script writes them."""

from typing import Any

import redis

from ml.stores.outbox.keys_redis import answered_key
from ml.stores.redis.failures_redis import redis_failures_as_unavailable


class RedisAnsweredIndex:
    """Reads the lists of answered ids; each lives for an hour."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes

    def answered(self, minute: int) -> list[str]:
        """See `AnsweredIndex.answered`."""
        with redis_failures_as_unavailable():
            return [name.decode(errors="backslashreplace") for name in self._client.lrange(answered_key(minute), 0, -1)]
