"""Keys of model artifacts: Ed25519 for the manifest, an AES key for the files.

The trainer holds an `ArtifactSigner`, every process that loads a model an `ArtifactVerifier`. A signature
names its key by id; `security.artifacts.artifact_trust` says which ids are accepted, and when.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from security.artifacts.artifact_encryption import DataKey, DecryptionError, EncryptionContext, EncryptionKey
from security.artifacts.artifact_pem import load_private_key, load_public_key
from security.artifacts.artifact_trust import ArtifactTrust, ArtifactUntrustedError, TrustedKey, TrustFile, TrustSource
from security.errors import KeyUnusableError, SecurityError
from security.names import ARTIFACT_KEY_ID
from settings import Settings

SIGNATURE_BYTES = 64

_Loaded = TypeVar("_Loaded")

_DOMAIN = b"shrike artifact manifest 1\n"
"""Prefix of everything signed here, so that a signature made for another purpose never fits."""


class ArtifactSignatureError(SecurityError):
    """A signature is not by a key that is accepted."""


@dataclass(frozen=True)
class ArtifactSigner:
    """The keys that make an artifact: the private key, its id, and the key that wraps data keys."""

    key_id: str
    private_key: Ed25519PrivateKey
    encryption_key: EncryptionKey

    def __post_init__(self) -> None:
        _check_key_id(self.key_id)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the trainer's keys.

        Raises:
            KeyUnusableError: a setting is missing, or a key cannot be read.
        """
        if settings.artifact_signing_key_file is None:
            raise _missing("ARTIFACT_SIGNING_KEY_FILE")
        return cls(
            _required_key_id(settings),
            _loaded("ARTIFACT_SIGNING_KEY_FILE", load_private_key, settings.artifact_signing_key_file),
            _required_encryption_key(settings),
        )

    def sign(self, manifest: bytes) -> bytes:
        """Returns the 64-byte signature of a manifest."""
        return self.private_key.sign(_DOMAIN + manifest)

    def verifier(self) -> "ArtifactVerifier":
        """Returns the verifier that accepts this signer's artifacts."""
        trust = ArtifactTrust({self.key_id: TrustedKey(self.private_key.public_key())})
        return ArtifactVerifier(trust, self.encryption_key)


@dataclass(frozen=True)
class ArtifactVerifier:
    """The keys that load an artifact: accepted public keys by id, and the key that unwraps data keys.

    Attributes:
        trust: the accepted keys and the revoked versions.
        encryption_key: unwraps data keys.
        now: the clock.
        previous_encryption_key: unwraps them too, while keys are rotated.
    """

    trust: TrustSource
    encryption_key: EncryptionKey
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    previous_encryption_key: EncryptionKey | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the keys of a process that loads models: those of ARTIFACT_TRUST_FILE, or the one configured key.

        Raises:
            KeyUnusableError: a setting is missing, or a key cannot be read.
        """
        previous = settings.artifact_previous_encryption_key
        return cls(
            _trust(settings),
            _required_encryption_key(settings),
            previous_encryption_key=None
            if previous is None
            else _encryption_key("ARTIFACT_PREVIOUS_ENCRYPTION_KEY", previous),
        )

    def unwrap(self, wrapped: bytes, context: EncryptionContext) -> DataKey:
        """Returns the data key of a version.

        Raises:
            DecryptionError: it was wrapped by neither key, for another version or key id, or altered.
        """
        try:
            return self.encryption_key.unwrap(wrapped, context)
        except DecryptionError:
            if self.previous_encryption_key is None:
                raise
        return self.previous_encryption_key.unwrap(wrapped, context)

    def verify(self, manifest: bytes, *, signature: bytes, key_id: str) -> None:
        """Returns if the signature of the manifest is by the accepted key of that id.

        Raises:
            ArtifactSignatureError: the key id is not accepted now, or the signature does not match.
        """
        try:
            key = self._current_trust().key(key_id, self.now())
            key.public_key.verify(signature, _DOMAIN + manifest)
        except ArtifactUntrustedError as error:
            raise ArtifactSignatureError(str(error)) from error
        except InvalidSignature:
            raise ArtifactSignatureError(f"the signature does not match key {key_id!r}") from None

    def check_content(self, *, key_id: str, version: str, created_at: datetime) -> None:
        """Returns if the version and date of a verified manifest are acceptable.

        Raises:
            ArtifactUntrustedError: the version was revoked, or was made outside its key's validity.
        """
        self._current_trust().check_content(key_id=key_id, version=version, created_at=created_at)

    def revocation(self, *, key_id: str, version: str) -> str | None:
        """Returns why an artifact that was accepted may not be used any longer, None if it may.

        Neither an expired key nor an unreadable list is a reason: a version that was loaded in time goes on serving.
        """
        try:
            trust = self.trust.current()
        except KeyUnusableError:
            return None
        if version in trust.revoked_versions:
            return f"version {version} was revoked"
        return f"key {key_id!r} of version {version} was revoked" if key_id in trust.revoked_keys else None

    def _current_trust(self) -> ArtifactTrust:
        try:
            return self.trust.current()
        except KeyUnusableError as error:
            raise ArtifactSignatureError(str(error)) from error


def accepted_signer(settings: Settings) -> ArtifactSigner:
    """Returns the trainer's keys, if a process that loads models accepts now what they sign.

    Raises:
        KeyUnusableError: a setting is missing, a key cannot be read, or no model that they sign would be loaded.
    """
    signer, sample = ArtifactSigner.from_settings(settings), b"a sample"
    try:
        ArtifactVerifier.from_settings(settings).verify(sample, signature=signer.sign(sample), key_id=signer.key_id)
    except ArtifactSignatureError as error:
        trusted = "ARTIFACT_TRUST_FILE" if settings.artifact_trust_file is not None else "ARTIFACT_VERIFY_KEY_FILE"
        raise KeyUnusableError(
            f"ARTIFACT_SIGNING_KEY_FILE signs models under ARTIFACT_KEY_ID that {trusted} does not accept: {error}; "
            "correct the one that is wrong."
        ) from error
    return signer


def _trust(settings: Settings) -> TrustSource:
    if settings.artifact_trust_file is not None:
        # A start with an unusable list ends here.
        return _loaded("ARTIFACT_TRUST_FILE", _usable_list, settings.artifact_trust_file)
    if settings.artifact_verify_key_file is None:
        raise _missing("ARTIFACT_VERIFY_KEY_FILE")
    public_key = _loaded("ARTIFACT_VERIFY_KEY_FILE", load_public_key, settings.artifact_verify_key_file)
    return ArtifactTrust({_required_key_id(settings): TrustedKey(public_key)})


def _usable_list(path: Path) -> TrustFile:
    trust = TrustFile(path)
    trust.current()
    return trust


def _loaded(setting: str, load: Callable[[Path], _Loaded], path: Path) -> _Loaded:
    """Returns what a file holds; a refusal begins with the name of the setting that names the file."""
    try:
        return load(path)
    except KeyUnusableError as error:
        raise KeyUnusableError(f"{setting}: {error}") from error


def _check_key_id(key_id: str) -> None:
    if not re.fullmatch(ARTIFACT_KEY_ID, key_id):
        raise KeyUnusableError("an artifact key id is 1 to 64 of A-Z a-z 0-9 . _ -")


def _missing(setting: str) -> KeyUnusableError:
    return KeyUnusableError(
        f"{setting} is not set; `python -m ops keys` makes one for development, with --production one for production."
    )


def _required_key_id(settings: Settings) -> str:
    if settings.artifact_key_id is None:
        raise _missing("ARTIFACT_KEY_ID")
    return settings.artifact_key_id


def _required_encryption_key(settings: Settings) -> EncryptionKey:
    if settings.artifact_encryption_key is None:
        raise _missing("ARTIFACT_ENCRYPTION_KEY")
    return _encryption_key("ARTIFACT_ENCRYPTION_KEY", settings.artifact_encryption_key)


def _encryption_key(name: str, secret: SecretStr) -> EncryptionKey:
    try:
        return EncryptionKey.from_text(secret.get_secret_value())
    except ValueError as error:
        raise KeyUnusableError(f"{name} is not usable: {error}") from None
