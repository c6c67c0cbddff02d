"""The name of a body of data in Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:dataset_id` | string | for ever | a random name for this body of data |
| `shrike:dataset_id:sealed` | string | for ever | the same as JSON with `name` and `seal` |
| `shrike:dataset_id:{<number>}` | string | for ever | on a cluster: a name for each sixteenth of its slots |
| `shrike:dataset_id:{<number>}:sealed` | string | for ever | the same as JSON with `name` and `seal` |

`dataset_name` says what two copies are good for. Somebody who reads and writes may put both back into a Redis that was
emptied; a seal cannot prevent that.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, Protocol

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from ml.stores.redis.commands import Command, CommandRunner
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from tasks.losses.dataset_name import Copies, FoundName, NameSeal, judge

DATASET_ID: Final = "shrike:dataset_id"
_CLUSTER_PARTS: Final = 16

_log = logging.getLogger(__name__)


class NamedData(Protocol):
    """A body of data that carries a name."""

    def name(self, known: str | None) -> FoundName:
        """Returns the name; data without one gets one, and a copy that somebody changed is written again.

        Args:
            known: the name that it should have; None if that is not known.

        Raises:
            StoreUnavailableError: it cannot be reached, which says nothing about the data.
        """
        ...


class RedisNamedData:
    """Data of one or several parts, each with a name of its own, since each can be lost by itself.

    Args:
        run: sends commands and returns their replies.
        keys: of the plain copies.
        seal: of the other ones.
    """

    def __init__(self, run: Callable[[Sequence[Command]], Sequence[Any]], keys: Sequence[str], seal: NameSeal) -> None:
        self._run = run
        self._keys = keys
        self._seal = seal

    def name(self, known: str | None) -> FoundName:
        """See `NamedData.name`; the names of several parts are joined by commas."""
        parts = known.split(",") if known is not None else []
        known_names = parts if len(parts) == len(self._keys) else [None] * len(self._keys)
        copies = self._read(self._keys)
        found = [self._settle(*each) for each in zip(self._keys, copies, known_names, strict=True)]
        return FoundName(",".join(each.name for each in found), any(each.is_altered for each in found))

    def renew(self) -> bool:
        """Seals each name with the present key that the previous one sealed; returns whether there was one.

        Raises:
            StoreUnavailableError: the data cannot be reached.
        """
        renewed: list[Command] = []
        for key, copies in zip(self._keys, self._read(self._keys), strict=True):
            if copies.opened is not None and copies.sealed != (anew := self._seal.close(_sealed(key), copies.opened)):
                renewed.append(("SET", _sealed(key), anew))
        if renewed:
            self._run(renewed)
        return bool(renewed)

    def _read(self, keys: Sequence[str]) -> list[Copies]:
        # MGET returns nothing for a value that is no string, where GET fails.
        replies = self._run([("MGET", key, _sealed(key)) for key in keys])
        return [
            Copies(plain, sealed, self._seal.open(_sealed(key), sealed))
            for key, (plain, sealed) in zip(keys, replies, strict=True)
        ]

    def _settle(self, key: str, copies: Copies, known: str | None) -> FoundName:
        """Returns the name of one part, whose copies hold it afterwards."""
        found = judge(copies, known)
        if found is None and copies.are_absent:
            return self._give_first_name(key)
        if found is None:
            found = FoundName(secrets.token_hex(16), is_altered=known is not None)
        if not copies.are_of(found.name):
            if copies.are_foreign_beside(found.name):
                _log.error(
                    "a name of the data in Redis was altered by a stranger, or MESSAGE_KEY was changed without a "
                    "rotation; it is written again",
                    extra={"key": key},
                )
            self._write(key, found.name)
        return found

    def _give_first_name(self, key: str) -> FoundName:
        """Names data that has no name: of several processes that do so at once the first one decides."""
        new = secrets.token_hex(16)
        self._run([("SET", _sealed(key), self._seal.close(_sealed(key), new), "NX")])
        # None if something that is no string has kept the name away.
        name = self._read([key])[0].opened or new
        self._write(key, name)
        return FoundName(name)

    def _write(self, key: str, name: str) -> None:
        # The sealed copy first: who finds one copy alone must find the one that can be believed.
        self._run([("SET", _sealed(key), self._seal.close(_sealed(key), name))])
        self._run([("SET", key, name)])


def server_data(client: "redis.Redis", seal: NameSeal) -> RedisNamedData:
    """Returns the data of one server."""
    pipelines: Any = client  # redis-py types each reply as a union over decoding modes

    def run(commands: Sequence[Command]) -> Sequence[Any]:
        with redis_failures_as_unavailable(), pipelines.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    return RedisNamedData(run, [DATASET_ID], seal)


def cluster_data(runner: CommandRunner, seal: NameSeal) -> RedisNamedData:
    """Returns the data of a cluster, in parts, since each master can lose its own."""
    return RedisNamedData(runner.run, [f"{DATASET_ID}:{{{tag}}}" for tag in _tags()], seal)


def _sealed(key: str) -> str:
    return f"{key}:sealed"


@cache
def _tags() -> tuple[int, ...]:
    """Returns hash tags, the n-th of which lies in the n-th sixteenth of the slots."""
    tags: dict[int, int] = {}
    number = 0
    while len(tags) < _CLUSTER_PARTS:
        tags.setdefault(key_slot(str(number).encode()) * _CLUSTER_PARTS // REDIS_CLUSTER_HASH_SLOTS, number)
        number += 1
    return tuple(tags[part] for part in range(_CLUSTER_PARTS))
