"""Ed25519 keys in PEM files."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from security.errors import KeyUnusableError

_PEM_LIMIT_BYTES = 16 * 1024


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
