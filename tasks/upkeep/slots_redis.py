"""Slots of scheduled tasks in Redis: two beats never run one slot twice.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:slot:<task>` | string | 5 min | set while a scheduled slot has had its run |
"""

from redis import Redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

_SLOT_SECONDS = 300
"""Two beats that both send a retraining do so within seconds; the second finds the slot taken."""


def slot_key(task: str) -> str:
    """Returns the key that is set while a scheduled task's slot has had its run."""
    return f"shrike:slot:{task}"


class SlotKeeper:
    """Gives each scheduled slot to one run only."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def take(self, task: str) -> bool:
        """Returns whether the slot was free.

        Raises:
            StoreUnavailableError: Redis cannot be reached; the run does not start.
        """
        with redis_failures_as_unavailable():
            return bool(self._client.set(slot_key(task), "1", nx=True, ex=_SLOT_SECONDS))
