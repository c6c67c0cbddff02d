"""The accepted keys of model artifacts with their validity, and the revoked keys and versions.

The list is configuration, a file beside the public keys. It has no signature of its own: an intruder who can write the
file can also replace the key files. The file is read again when it has changed, so that a revocation takes effect
within a second and without a restart.

```json
{
  "keys": [{"id": "2026-11", "public_key": "artifact_verify.pem",
            "not_before": "2026-11-01T00:00:00Z", "not_after": "2027-12-01T00:00:00Z"}],
  "revoked_keys": ["2025-10"],
  "revoked_versions": ["v20261101T030000-0a1b2c"]
}
```

A relative path of a key is relative to the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from security.artifacts.artifact_pem import load_public_key
from security.errors import KeyUnusableError, SecurityError
from security.names import ARTIFACT_KEY_ID

_LIMIT_BYTES = 64 * 1024
_ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


class ArtifactUntrustedError(SecurityError):
    """An artifact's key or version is not accepted; the message says which and why."""


class VersionRevokedError(ArtifactUntrustedError):
    """This very version was revoked."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and its validity: no artifact is accepted outside of it, nor one that was made outside of it."""

    public_key: Ed25519PublicKey
    not_before: datetime = _ALWAYS[0]
    not_after: datetime = _ALWAYS[1]


@dataclass(frozen=True, slots=True)
class ArtifactTrust:
    """The accepted keys and the revocations at one moment.

    Attributes:
        keys: the accepted keys by id.
        revoked_keys: ids of keys whose artifacts are refused, whenever they were signed.
        revoked_versions: ids of versions that are refused, whatever their signature.
    """

    keys: Mapping[str, TrustedKey]
    revoked_keys: frozenset[str] = field(default_factory=frozenset)
    revoked_versions: frozenset[str] = field(default_factory=frozenset)

    def current(self) -> "ArtifactTrust":
        """See `TrustSource.current`."""
        return self

    def key(self, key_id: str, now: datetime) -> TrustedKey:
        """Returns the key of an id.

        Raises:
            ArtifactUntrustedError: it is unknown, revoked, or not valid now.
        """
        if key_id in self.revoked_keys:
            raise ArtifactUntrustedError(f"key id {key_id!r} was revoked")
        key = self.keys.get(key_id)
        if key is None:
            raise ArtifactUntrustedError(f"key id {key_id!r} is not accepted")
        if now < key.not_before:
            raise ArtifactUntrustedError(f"key {key_id!r} counts from {key.not_before:%Y-%m-%d %H:%M} UTC only")
        if now >= key.not_after:
            raise ArtifactUntrustedError(f"key {key_id!r} expired on {key.not_after:%Y-%m-%d %H:%M} UTC")
        return key

    def check_content(self, *, key_id: str, version: str, created_at: datetime) -> None:
        """Returns if the version and date of a manifest are acceptable; call it after the signature was verified.

        Raises:
            VersionRevokedError: the version was revoked.
            ArtifactUntrustedError: it was made outside its key's validity.
        """
        if version in self.revoked_versions:
            raise VersionRevokedError(f"version {version} was revoked")
        key = self.keys[key_id]
        if not key.not_before <= created_at < key.not_after:
            raise ArtifactUntrustedError(f"version {version} was made outside the validity of key {key_id!r}")


class TrustSource(Protocol):
    """Where the current trust comes from."""

    def current(self) -> ArtifactTrust:
        """Returns the accepted keys and the revocations of this moment.

        Raises:
            KeyUnusableError: it cannot be read; nothing is accepted.
        """
        ...


_KeyId = Annotated[str, Field(pattern=f"^{ARTIFACT_KEY_ID}$")]


class _KeyEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: _KeyId
    public_key: Path
    not_before: AwareDatetime
    not_after: AwareDatetime


class _TrustDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: Annotated[tuple[_KeyEntry, ...], Field(min_length=1)]
    revoked_keys: frozenset[_KeyId] = frozenset()
    revoked_versions: frozenset[Annotated[str, Field(max_length=100)]] = frozenset()


def public_key_names(path: Path) -> tuple[Path, ...]:
    """Returns the files of public keys that a list names, as it names them.

    Raises:
        KeyUnusableError: the list cannot be read.
    """
    try:
        return tuple(entry.public_key for entry in _read(path, path.read_bytes()).keys)
    except OSError as error:
        raise KeyUnusableError(f"{path} cannot be read: {error.strerror}") from error


def _read(path: Path, content: bytes) -> _TrustDocument:
    if len(content) > _LIMIT_BYTES:
        raise KeyUnusableError(f"{path} is larger than {_LIMIT_BYTES} bytes")
    try:
        document = _TrustDocument.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise KeyUnusableError(f"{path} is not valid at {place}: {first['msg']}") from None
    ids = [entry.id for entry in document.keys]
    if len(set(ids)) != len(ids):
        raise KeyUnusableError(f"{path} names a key id twice")
    return document


class TrustFile:
    """The list in a file, read again once the file has changed; the key files are read with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._known: ArtifactTrust | None = None

    def current(self) -> ArtifactTrust:
        """See `TrustSource.current`."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._known is None or stamp != self._stamp:
                self._known, self._stamp = self._parse(self._path.read_bytes()), stamp
        except OSError as error:
            raise KeyUnusableError(f"{self._path} cannot be read: {error.strerror}") from error
        return self._known

    def _parse(self, content: bytes) -> ArtifactTrust:
        document = _read(self._path, content)
        keys = {
            entry.id: TrustedKey(
                load_public_key(self._path.parent / entry.public_key), entry.not_before, entry.not_after
            )
            for entry in document.keys
        }
        return ArtifactTrust(keys, document.revoked_keys, document.revoked_versions)
