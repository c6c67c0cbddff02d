"""Detects an emptied Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:dataset_id` | string | for ever | a random name for this body of data |
| `shrike:dataset_id:loss_reported` | string | for ever | the name of the data after the last reported loss |

A Redis that was emptied, or started without its files, has lost answers that are stored nowhere else yet. Nothing can
bring them back; but an operator must know, because to every process an empty Redis looks like a new one.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

_DATASET_ID: Final = "shrike:dataset_id"
_LOSS_REPORTED: Final = "shrike:dataset_id:loss_reported"

_log = logging.getLogger(__name__)


class RedisDatasetIdentity:
    """Remembers the name of the data and detects that it is gone or another one.

    Args:
        client: a client that returns bytes.
        on_loss: reports a loss; of several processes that detect it, the first one calls this.
    """

    def __init__(self, client: "redis.Redis", on_loss: Callable[[], None]) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._on_loss = on_loss
        self._known: bytes | None = None

    def check(self) -> None:
        """Compares the name once; data without a name gets one.

        Raises:
            StoreUnavailableError: Redis cannot be reached, which says nothing about its data.
        """
        with redis_failures_as_unavailable():
            found = self._client.get(_DATASET_ID)
            if found is None:
                self._client.set(_DATASET_ID, secrets.token_hex(16), nx=True)
                found = self._client.get(_DATASET_ID)
        if self._known is not None and found != self._known:
            _log.critical("Redis has lost its data: answers that were not stored or published yet are gone")
            self._report(found)
        self._known = found  # only now: the next check repeats a report that failed

    def _report(self, found: Any) -> None:
        """Reports the loss unless another process did: an operator who has dealt with it must not see it again."""
        with redis_failures_as_unavailable():
            if self._client.get(_LOSS_REPORTED) != found:
                self._on_loss()
                self._client.set(_LOSS_REPORTED, found)
