"""Turns at loading, shared through Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:model_load` | string | 30 s, or until the load ends | a random text of the process that loads a model now |
"""

import secrets
from importlib import resources
from typing import Any, Final

import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

KEY: Final = "shrike:model_load"
_LIFE_MS = 30_000
"""Longer than a load; a process that dies meanwhile holds up the others no longer than this."""


class RedisLoadTurn:
    """The turn that all processes share."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._owner = secrets.token_hex(8)
        source = resources.files("tasks.model").joinpath("load_turn_give_back.lua").read_text(encoding="utf-8")
        self._give_back = client.register_script(source)

    def take(self) -> bool:
        """See `LoadTurn.take`."""
        with redis_failures_as_unavailable():
            return bool(self._client.set(KEY, self._owner, nx=True, px=_LIFE_MS))

    def give_back(self) -> None:
        """See `LoadTurn.give_back`."""
        with redis_failures_as_unavailable():
            self._give_back(keys=[KEY], args=[self._owner])
