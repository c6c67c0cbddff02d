"""Detects that a Redis was emptied or holds other data than before.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:dataset_id:loss_reported` | string | for ever | JSON: `name` of the data after the last loss, `seal` |
| `shrike:dataset_id:loss_reported:<server>` | string | for ever | the same for a server that is not the shard's own |

A Redis that was emptied, or started without its files, has lost answers that are stored nowhere else yet, and the
histories behind the features. Nothing can bring them back; but an operator must know, because to every process an empty
Redis looks like a new one. So the data carries a name (`tasks.losses.dataset_name_redis`). The name is remembered
outside of Redis as well (`tasks.losses.dataset_memory`), so that a loss while no process ran is found by the first one
that starts.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from tasks.losses.dataset_memory import DatasetMemory
from tasks.losses.dataset_name import FoundName, NameSeal
from tasks.losses.dataset_name_redis import NamedData

_LOSS_REPORTED: Final = "shrike:dataset_id:loss_reported"

_LOST: Final = "Redis has lost its data: answers that were not stored or published yet are gone"
_ALTERED: Final = "somebody wrote over both copies of the data's name in Redis: nobody can tell whether data is lost"

_log = logging.getLogger(__name__)


class LossReports:
    """Notes what was reported, so that of several processes that detect a loss one reports it.

    Args:
        client: of a server that all processes of the shard share.
        seal: of the notes; one that is not ours keeps no loss from being reported.
        server: the server that the losses are of; None if it is the shard's own.
    """

    def __init__(self, client: "redis.Redis", seal: NameSeal, server: str | None = None) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._seal = seal
        self._key = _LOSS_REPORTED if server is None else f"{_LOSS_REPORTED}:{server}"

    def run_once(self, name: str, report: Callable[[], None]) -> None:
        """Calls the report unless that was done for this name: an operator who has dealt with it must not see it again.

        Raises:
            StoreUnavailableError: the note could not be read or written; the report may have been made.
        """
        with redis_failures_as_unavailable():
            # MGET returns nothing for a value that is no string, where GET fails.
            stored = self._client.mget([self._key])[0]
            if self._seal.open(self._key, stored) != name:
                report()
                self._client.set(self._key, self._seal.close(self._key, name))

    def renew(self) -> bool:
        """Seals the note with the present key if the previous one sealed it; returns whether it did.

        Raises:
            StoreUnavailableError: the note could not be read or written.
        """
        with redis_failures_as_unavailable():
            stored = self._client.mget([self._key])[0]
            name = self._seal.open(self._key, stored)
            if name is None or stored == (anew := self._seal.close(self._key, name)):
                return False
            self._client.set(self._key, anew)
        return True


class DatasetIdentity:
    """Remembers the name of the data and detects that it is gone or another one.

    Args:
        data: carries the name.
        memory: keeps it while this process does not run.
        reports: which losses were reported.
        on_loss: reports that the data is gone, or that nobody can tell.
    """

    def __init__(
        self, data: NamedData, memory: DatasetMemory, reports: LossReports, on_loss: Callable[[FoundName], None]
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
        found = self._data.name(self._known)
        if found.name == self._known:
            return
        if self._known is not None:
            _log.critical(_ALTERED if found.is_altered else _LOST)
            self._reports.run_once(found.name, partial(self._on_loss, found))
        self._memory.remember(found.name)
        self._known = found.name  # only now: the next check repeats a report that failed
