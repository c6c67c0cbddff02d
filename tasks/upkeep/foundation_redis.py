"""Whether Redis still holds what it held.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:founded` | string | for ever | a random name for this body of data |
| `shrike:founded:told` | string | for ever | the name of the data before which a loss was told |

Whoever empties Redis, or starts it without its files, takes answers along that are stored nowhere else yet. Nothing can
bring them back; but it must not pass unnoticed either, because to every process an empty Redis looks like a new one.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

_FOUNDED: Final = "shrike:founded"
_TOLD: Final = "shrike:founded:told"

_log = logging.getLogger(__name__)


class RedisFoundation:
    """Remembers the name of the data and notices when it is gone or another.

    Args:
        client: a client that returns bytes.
        on_loss: told of each loss; of several processes that notice it, the first tells.
    """

    def __init__(self, client: "redis.Redis", on_loss: Callable[[], None]) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._on_loss = on_loss
        self._known: bytes | None = None

    def check(self) -> None:
        """Looks once; data without a name gets one.

        Raises:
            StoreUnavailableError: Redis cannot be reached, which says nothing about its data.
        """
        with redis_failures_as_unavailable():
            found = self._client.get(_FOUNDED)
            if found is None:
                self._client.set(_FOUNDED, secrets.token_hex(16), nx=True)
                found = self._client.get(_FOUNDED)
        if self._known is not None and found != self._known:
            _log.critical("Redis has lost its data: answers that were not stored or published yet are gone")
            self._tell(found)
        self._known = found  # only now: a loss that could not be told is told again

    def _tell(self, found: Any) -> None:
        """Tells, unless another process did: an operator who has dealt with it must not hear of it again."""
        with redis_failures_as_unavailable():
            if self._client.get(_TOLD) != found:
                self._on_loss()
                self._client.set(_TOLD, found)
