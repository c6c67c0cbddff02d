"""Which links to the status page were used, in Redis.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:status_link:<id>` | string | 5 min | nothing: the link was used |
"""

import redis


class RedisUsedLinks:
    """Remembers links that were used; see `UsedLinks`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def take(self, link_id: str, seconds: int) -> bool | None:
        """See `UsedLinks.take`."""
        try:
            return bool(self._client.set(f"shrike:status_link:{link_id}", 1, nx=True, ex=seconds))
        except redis.RedisError:
            return None
