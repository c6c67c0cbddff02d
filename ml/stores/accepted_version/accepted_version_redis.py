"""The last accepted model version in Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:accepted_version` | hash | for ever | `version` and its `seal` |

An intruder with write access to Redis alone can delete the mark or put back an older one, but not make one: the
registry's own mark still holds then.
"""

from typing import Any, Final

import redis

from ml.domain.errors import ArtifactError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source
from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal

KEY: Final = "shrike:accepted_version"


class RedisAcceptedVersion:
    """The mark that all processes share."""

    def __init__(self, client: "redis.Redis", signer: MessageSigner) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._seal = Seal(signer, "model.accepted_version")
        self._raise = client.register_script(script_source("accepted_version", "raise"))

    def read(self) -> str | None:
        """See `AcceptedVersion.read`."""
        with redis_failures_as_unavailable():
            version, seal = ((value or b"").decode() for value in self._client.hmget(KEY, ("version", "seal")))
        if not version and not seal:
            return None
        try:
            self._seal.verify(version, seal=seal)
        except MessageRejectedError as error:
            raise ArtifactError("version", "the last accepted version was altered by a stranger") from error
        return version

    def raise_to(self, version: str) -> None:
        """See `AcceptedVersion.raise_to`."""
        with redis_failures_as_unavailable():
            self._raise(keys=[KEY], args=[version, self._seal.sign(version)])

    def set_to(self, version: str) -> None:
        """See `AcceptedVersion.set_to`."""
        with redis_failures_as_unavailable():
            self._client.hset(KEY, mapping={"version": version, "seal": self._seal.sign(version)})
