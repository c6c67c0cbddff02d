"""The last accepted model version in Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:accepted_version` | hash | for ever | `version` and its `seal`; `override`: a random text per `set_to` |

An intruder with write access to Redis alone can delete the mark or put back an older one, but not make one: the
registry's own mark still holds then. `override` carries no seal: whoever changes it makes workers read the registry
once more before they note a version, and nothing else.
"""

import secrets
from typing import Any, Final

import redis

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source
from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal

KEY: Final = "shrike:accepted_version"
_NOT_OURS = (
    "the last accepted version in Redis was altered by a stranger, or MESSAGE_KEY was changed without a rotation; "
    "`python -m ops models rollback VERSION --allow-older` notes it anew, with the champion or an older version"
)


class RedisAcceptedVersion:
    """The mark that all processes share."""

    def __init__(self, client: "redis.Redis", signer: MessageSigner) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._seal = Seal(signer, "model.accepted_version")
        self._raise = client.register_script(script_source("accepted_version", "raise"))

    def read(self) -> str | None:
        """See `AcceptedVersion.read`."""
        version, seal = self._stored()
        return self._verified(version, seal) if version or seal else None

    def override(self) -> str:
        """See `AcceptedVersion.override`."""
        with redis_failures_as_unavailable():
            # The script compares the text with the stored bytes, so whatever was put there has to survive the way.
            return (self._client.hget(KEY, "override") or b"").decode(errors="surrogateescape")

    def raise_to(self, version: str, *, under: str) -> bool:
        """See `AcceptedVersion.raise_to`."""
        with redis_failures_as_unavailable():
            seen = under.encode(errors="surrogateescape")
            return bool(self._raise(keys=[KEY], args=[version, self._seal.sign(version), seen]))

    def set_to(self, version: str) -> None:
        """See `AcceptedVersion.set_to`."""
        with redis_failures_as_unavailable():
            values = {"version": version, "seal": self._seal.sign(version), "override": secrets.token_hex(8)}
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(KEY)  # whatever it was: an intruder may have written something that is no hash
                pipeline.hset(KEY, mapping=values)
                pipeline.execute()

    def renew(self) -> bool:
        """Seals the mark anew if the previous key sealed it; returns whether it did.

        Raises:
            ArtifactError: check `version`: the mark is sealed by neither key.
            StoreUnavailableError: Redis cannot be reached.
        """
        version, seal = self._stored()
        if not version or self._seal.is_current(self._verified(version, seal), seal=seal):
            return False
        # The same version, so nobody's view of it is outdated: not as an override.
        with redis_failures_as_unavailable():
            self._client.hset(KEY, mapping={"version": version, "seal": self._seal.sign(version)})
        return True

    def _stored(self) -> tuple[str, str]:
        try:
            with redis_failures_as_unavailable():
                values = self._client.hmget(KEY, ("version", "seal"))
        except StoreUnavailableError as error:
            if str(error.__cause__).startswith("WRONGTYPE"):
                raise ArtifactError("version", _NOT_OURS) from error
            raise
        version, seal = ((value or b"").decode(errors="replace") for value in values)
        return version, seal

    def _verified(self, version: str, seal: str) -> str:
        try:
            self._seal.verify(version, seal=seal)
        except MessageRejectedError as error:
            raise ArtifactError("version", _NOT_OURS) from error
        return version
