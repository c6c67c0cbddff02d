"""Detects that a Redis was emptied or holds other data than before.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:dataset_id` | string | for ever | a random name for this body of data |
| `shrike:dataset_id:{<number>}` | string | for ever | the same on a cluster: a name for each sixteenth of its slots |
| `shrike:dataset_id:loss_reported` | string | for ever | the name of the data after the last reported loss |
| `shrike:dataset_id:loss_reported:<server>` | string | for ever | the same for a server that is not the shard's own |

A Redis that was emptied, or started without its files, has lost answers that are stored nowhere else yet, and the
histories behind the features. Nothing can bring them back; but an operator must know, because to every process an empty
Redis looks like a new one. The name is remembered outside of Redis as well (`tasks.losses.dataset_memory`), so that a
loss while no process ran is found by the first one that starts.
"""

import logging
import secrets
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Protocol

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from ml.stores.redis.commands import CommandRunner
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from tasks.losses.dataset_memory import DatasetMemory

DATASET_ID: Final = "shrike:dataset_id"
_LOSS_REPORTED: Final = "shrike:dataset_id:loss_reported"
_CLUSTER_PARTS: Final = 16

_log = logging.getLogger(__name__)


class NamedData(Protocol):
    """A body of data that carries a name."""

    def name(self) -> str:
        """Returns the name; data without one gets one.

        Raises:
            StoreUnavailableError: it cannot be reached, which says nothing about the data.
        """
        ...


class ServerData:
    """The data of one server."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes

    def name(self) -> str:
        """See `NamedData.name`."""
        with redis_failures_as_unavailable():
            found = self._client.get(DATASET_ID)
            if found is None:
                self._client.set(DATASET_ID, secrets.token_hex(16), nx=True)
                found = self._client.get(DATASET_ID)
        return str((found or b"").decode(errors="backslashreplace"))


class ClusterData:
    """The data of a cluster: the names of its parts, since each master can lose its own."""

    def __init__(self, runner: CommandRunner) -> None:
        self._runner = runner

    def name(self) -> str:
        """See `NamedData.name`."""
        keys = [f"{DATASET_ID}:{{{tag}}}" for tag in _tags()]
        found = self._runner.run([("GET", key) for key in keys])
        missing = [key for key, name in zip(keys, found, strict=True) if name is None]
        if missing:
            self._runner.run([("SET", key, secrets.token_hex(8), "NX") for key in missing])
            found = self._runner.run([("GET", key) for key in keys])
        return ",".join((name or b"").decode(errors="backslashreplace") for name in found)


@cache
def _tags() -> tuple[int, ...]:
    """Returns hash tags, the n-th of which lies in the n-th sixteenth of the slots."""
    tags: dict[int, int] = {}
    number = 0
    while len(tags) < _CLUSTER_PARTS:
        tags.setdefault(key_slot(str(number).encode()) * _CLUSTER_PARTS // REDIS_CLUSTER_HASH_SLOTS, number)
        number += 1
    return tuple(tags[part] for part in range(_CLUSTER_PARTS))


class LossReports:
    """Notes what was reported, so that of several processes that detect a loss one reports it.

    Args:
        client: of a server that all processes of the shard share.
        server: the server that the losses are of; None if it is the shard's own.
    """

    def __init__(self, client: "redis.Redis", server: str | None = None) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._key = _LOSS_REPORTED if server is None else f"{_LOSS_REPORTED}:{server}"

    def run_once(self, name: str, report: Callable[[], None]) -> None:
        """Calls the report unless that was done for this name: an operator who has dealt with it must not see it again.

        Raises:
            StoreUnavailableError: the note could not be read or written; the report may have been made.
        """
        with redis_failures_as_unavailable():
            if self._client.get(self._key) != name.encode():
                report()
                self._client.set(self._key, name)


class DatasetIdentity:
    """Remembers the name of the data and detects that it is gone or another one.

    Args:
        data: carries the name.
        memory: keeps it while this process does not run.
        reports: which losses were reported.
        on_loss: reports a loss.
    """

    def __init__(
        self, data: NamedData, memory: DatasetMemory, reports: LossReports, on_loss: Callable[[], None]
    ) -> None:
        self._data = data
        self._memory = memory
        self._reports = reports
        self._on_loss = on_loss
        self._known: str | None = None
        self._is_recalled = False

    def check(self) -> None:
        """Compares the name once, at first with the one that is remembered.

        Raises:
            StoreUnavailableError: Redis or the memory cannot be reached, which says nothing about the data.
        """
        if not self._is_recalled:
            self._known = self._memory.recall()
            self._is_recalled = True
        found = self._data.name()
        if found == self._known:
            return
        if self._known is not None:
            _log.critical("Redis has lost its data: answers that were not stored or published yet are gone")
            self._reports.run_once(found, self._on_loss)
        self._memory.remember(found)
        self._known = found  # only now: the next check repeats a report that failed
