"""Keys of model artifacts: Ed25519 for the manifest, an AES key for the files.

The trainer holds an `ArtifactSigner`, every process that loads a model an `ArtifactVerifier`. A signature
names its key by id, and the verifier holds one public key per id that it still accepts: a key leaves service
by leaving that mapping.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from security.errors import KeyUnusableError, SecurityError
from security.sealing import SealingKey
from settings import Settings

KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
SIGNATURE_BYTES = 64

_DOMAIN = b"shrike artifact manifest 1\n"
"""Prefix of everything signed here, so that a signature made for another purpose never fits."""

_PEM_LIMIT_BYTES = 16 * 1024


class ArtifactSignatureError(SecurityError):
    """A signature is not by a key that is accepted."""


@dataclass(frozen=True)
class ArtifactSigner:
    """What it takes to make an artifact: the private key, its id, and the key that wraps data keys."""

    key_id: str
    private_key: Ed25519PrivateKey
    sealing_key: SealingKey

    def __post_init__(self) -> None:
        _check_key_id(self.key_id)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the trainer's keys.

        Raises:
            KeyUnusableError: a setting is missing, or a key cannot be read.
        """
        if settings.artifact_signing_key_file is None:
            raise KeyUnusableError("ARTIFACT_SIGNING_KEY_FILE is not set; `python -m ops keys` makes development keys")
        return cls(
            _required_key_id(settings),
            load_private_key(settings.artifact_signing_key_file),
            _required_sealing_key(settings),
        )

    def sign(self, manifest: bytes) -> bytes:
        """Returns the 64-byte signature of a manifest."""
        return self.private_key.sign(_DOMAIN + manifest)

    def verifier(self) -> "ArtifactVerifier":
        """Returns the verifier that accepts what this signer makes."""
        return ArtifactVerifier({self.key_id: self.private_key.public_key()}, self.sealing_key)


@dataclass(frozen=True)
class ArtifactVerifier:
    """What it takes to load an artifact: accepted public keys by id, and the key that unwraps data keys."""

    public_keys: Mapping[str, Ed25519PublicKey]
    sealing_key: SealingKey

    def __post_init__(self) -> None:
        for key_id in self.public_keys:
            _check_key_id(key_id)
        object.__setattr__(self, "public_keys", MappingProxyType(dict(self.public_keys)))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the keys of a process that loads models.

        Raises:
            KeyUnusableError: a setting is missing, or a key cannot be read.
        """
        if settings.artifact_verify_key_file is None:
            raise KeyUnusableError("ARTIFACT_VERIFY_KEY_FILE is not set; `python -m ops keys` makes development keys")
        public_key = load_public_key(settings.artifact_verify_key_file)
        return cls({_required_key_id(settings): public_key}, _required_sealing_key(settings))

    def verify(self, manifest: bytes, *, signature: bytes, key_id: str) -> None:
        """Returns if the signature of the manifest is by the accepted key of that id.

        Raises:
            ArtifactSignatureError: the key id is not accepted, or the signature does not match.
        """
        public_key = self.public_keys.get(key_id)
        if public_key is None:
            raise ArtifactSignatureError(f"key id {key_id!r} is not accepted")
        try:
            public_key.verify(signature, _DOMAIN + manifest)
        except InvalidSignature:
            raise ArtifactSignatureError(f"the signature does not match key {key_id!r}") from None


def private_key_pem(key: Ed25519PrivateKey) -> bytes:
    """Returns the PKCS#8 PEM of a private key, unencrypted: its file's permissions protect it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_key_pem(key: Ed25519PublicKey) -> bytes:
    """Returns the PEM of a public key."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Returns the Ed25519 private key of a PEM file.

    Raises:
        KeyUnusableError: the file cannot be read, or holds something else.
    """
    content = _read_pem(path)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnusableError(f"{path} holds no readable PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusableError(f"{path} holds a private key that is not Ed25519")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Returns the Ed25519 public key of a PEM file.

    Raises:
        KeyUnusableError: the file cannot be read, or holds something else.
    """
    content = _read_pem(path)
    try:
        key = load_pem_public_key(content)
    except (ValueError, TypeError) as error:
        raise KeyUnusableError(f"{path} holds no readable PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusableError(f"{path} holds a public key that is not Ed25519")
    return key


def _read_pem(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_PEM_LIMIT_BYTES)
    except OSError as error:
        raise KeyUnusableError(f"{path} cannot be read: {error.strerror}") from error


def _check_key_id(key_id: str) -> None:
    if not KEY_ID.fullmatch(key_id):
        raise KeyUnusableError("an artifact key id is 1 to 64 of A-Z a-z 0-9 . _ -")


def _missing(setting: str) -> KeyUnusableError:
    return KeyUnusableError(f"{setting} is not set; `python -m ops keys` makes development keys")


def _required_key_id(settings: Settings) -> str:
    if settings.artifact_key_id is None:
        raise _missing("ARTIFACT_KEY_ID")
    return settings.artifact_key_id


def _required_sealing_key(settings: Settings) -> SealingKey:
    if settings.artifact_encryption_key is None:
        raise KeyUnusableError("ARTIFACT_ENCRYPTION_KEY is not set; `python -m ops keys` makes development keys")
    try:
        return SealingKey.from_text(settings.artifact_encryption_key.get_secret_value())
    except ValueError as error:
        raise KeyUnusableError(f"ARTIFACT_ENCRYPTION_KEY is not usable: {error}") from None
