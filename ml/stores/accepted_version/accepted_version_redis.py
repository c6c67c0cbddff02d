"""The last accepted model version in Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:accepted_version` | hash | for ever | `version` and its `seal`, made with the message key |

The seal keeps whoever can write to Redis, and nothing else, from setting the mark; he can still delete it, or put back
one that was sealed before, and is left with the registry's own mark then.
"""

from typing import Any, Final

import redis

from ml.domain.errors import ArtifactError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source
from security.errors import MessageRejectedError
from security.messages.messages import MessageSigner

KEY: Final = "shrike:accepted_version"
_PURPOSE = "model.accepted_version"


class RedisAcceptedVersion:
    """The mark that all processes share."""

    def __init__(self, client: "redis.Redis", signer: MessageSigner) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._signer = signer
        self._raise = client.register_script(script_source("accepted_version", "raise"))

    def read(self) -> str | None:
        """See `AcceptedVersion.read`."""
        with redis_failures_as_unavailable():
            version, seal = ((value or b"").decode() for value in self._client.hmget(KEY, ("version", "seal")))
        if not version and not seal:
            return None
        try:
            self._signer.verify(_PURPOSE, version, 0, "", signature=seal)
        except MessageRejectedError as error:
            raise ArtifactError("version", "the last accepted version was altered by a stranger") from error
        return version

    def raise_to(self, version: str) -> None:
        """See `AcceptedVersion.raise_to`."""
        with redis_failures_as_unavailable():
            self._raise(keys=[KEY], args=[version, self._seal(version)])

    def lower_to(self, version: str) -> None:
        """See `AcceptedVersion.lower_to`."""
        with redis_failures_as_unavailable():
            self._client.hset(KEY, mapping={"version": version, "seal": self._seal(version)})

    def _seal(self, version: str) -> str:
        return self._signer.sign(_PURPOSE, version, 0, "")
