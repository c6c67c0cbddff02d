"""Placements in Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:placement:<transaction_id>` | string | DECISION_TTL_SECONDS + 2 min from its last use | a shard's name |
"""

from collections.abc import Sequence
from typing import Any

import redis

from ml.stores.placements.placements import Placement
from ml.stores.redis.commands import Command
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import LuaScript, lua_script
from ml.stores.redis.server_redis import ServerCommands

_MARGIN_SECONDS = 120
"""A placement outlives the record it leads to: that is written at most one request's deadline later."""


def placement_key(transaction_id: str) -> str:
    """Returns the key of a transaction's placement."""
    return f"shrike:placement:{transaction_id}"


class RedisPlacements:
    """Keeps placements on one server; `client` must return raw (undecoded) replies.

    Fails closed: a transaction whose shard is unknown is not scored, because it may have been decided before.
    """

    script: LuaScript = lua_script("placements", "place")

    def __init__(self, client: "redis.Redis", *, record_ttl_seconds: int) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._life_seconds = record_ttl_seconds + _MARGIN_SECONDS

    def command(self, proposals: Sequence[tuple[str, str]]) -> Command:
        """Returns the call that places transactions, for a pipeline with further commands."""
        keys = [placement_key(transaction_id) for transaction_id, _ in proposals]
        shards = [shard for _, shard in proposals]
        return ("EVALSHA", self.script.sha, len(keys), *keys, self._life_seconds, *shards)

    def read(self, proposals: Sequence[tuple[str, str]], reply: Sequence[bytes]) -> list[Placement]:
        """Returns the placements in the reply to a `command`."""
        return [
            Placement(held.decode(errors="backslashreplace") if held else proposed, is_new=not held)
            for (_, proposed), held in zip(proposals, reply, strict=True)
        ]

    def place(self, proposals: Sequence[tuple[str, str]]) -> list[Placement]:
        """See `Placements.place`."""
        if not proposals:
            return []
        (reply,) = ServerCommands(self._client).run([self.command(proposals)], scripts=(self.script,))
        return self.read(proposals, reply)

    def find_many(self, transaction_ids: Sequence[str]) -> list[str | None]:
        """See `Placements.find_many`."""
        if not transaction_ids:
            return []
        with redis_failures_as_unavailable():
            found = self._client.mget([placement_key(transaction_id) for transaction_id in transaction_ids])
        return [None if shard is None else shard.decode(errors="backslashreplace") for shard in found]
