"""Slots of scheduled tasks in Redis: two beats never run one slot twice.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:slot:<task>` | string | 5 min | set while a scheduled slot has had its run |
"""

import logging

from redis import Redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

_SLOT_SECONDS = 300
"""Two beats that both send a retraining do so within seconds; the second finds the slot taken."""

_log = logging.getLogger(__name__)


def slot_key(task: str) -> str:
    """Returns the key that is set while a scheduled task's slot has had its run."""
    return f"shrike:slot:{task}"


class SlotKeeper:
    """Gives each scheduled slot to one run only."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def take(self, task: str) -> bool:
        """Returns whether the slot was free.

        What stands there and would outlive a slot is none, whatever it holds: the first who asks shortens its life and
        has the slot.

        Raises:
            StoreUnavailableError: Redis cannot be reached; the run does not start.
        """
        key = slot_key(task)
        with redis_failures_as_unavailable():
            if self._client.set(key, "1", nx=True, ex=_SLOT_SECONDS):
                return True
            is_foreign = bool(self._client.expire(key, _SLOT_SECONDS, lt=True))
        if is_foreign:
            _log.warning("%s held what no run wrote; the run starts", key)
        return is_foreign
