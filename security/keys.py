"""Secrets and key files: making them, loading them, and refusing weak ones."""

import secrets
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import SecretStr

from security.errors import KeyUnusableError
from security.public_material import holds_public_material

MIN_SECRET_BYTES = 32
"""Length of an HMAC-SHA256 key below which it is weaker than the hash. Source: RFC 7518 section 3.2."""

MIN_RSA_BITS = 2048
"""Source: RFC 7518 section 3.3."""

_MIN_DISTINCT_BYTES = 8

# Long enough to pass the length check, but printed in well-known tutorials, standards or tools.
_PUBLIC_SECRETS = frozenset(
    {
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",  # RFC 7515 A.1
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",  # RFC 7516 and 7520
    }
)
# A person types these; a generator does not.
_TELLTALE_WORDS = (
    "changeme",
    "changethis",
    "replaceme",
    "secret",
    "password",
    "passphrase",
    "placeholder",
    "example",
    "qwerty",
)

_MAKE = "`python -m ops keys` makes one for development, with --production one for production"
_PUBLIC = "is a public or private key or a certificate, not a secret"

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


def generate_secret(mark: str = "") -> str:
    """Returns a new secret of 256 random bits as URL-safe text, after `mark`."""
    return mark + secrets.token_urlsafe(32)


def check_secret(name: str, secret: SecretStr | str | None) -> bytes:
    """Returns the secret's bytes if it is fit to sign with.

    Args:
        name: the setting it comes from, for the message.
        secret: at least 32 bytes, made by a generator.

    Raises:
        KeyUnusableError: it is missing, short, repetitive, publicly known or typed by hand.
    """
    text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    if text is None or not text.strip():
        raise KeyUnusableError(f"{name} is not set; {_MAKE}.")
    if problem := _weakness(text):
        raise KeyUnusableError(f"{name} {problem}; {_MAKE}.")
    return text.encode()


def check_raw_secret(name: str, secret: bytes) -> bytes:
    """Returns a secret that is given as bytes, if it is fit to sign with.

    Raises:
        KeyUnusableError: it is short, repetitive, publicly known or typed by hand.
    """
    problem = _weakness_of_bytes(secret)
    if problem is None and secret.isascii():
        problem = _weakness(secret.decode())
    if problem:
        raise KeyUnusableError(f"{name} {problem}.")
    return secret


def _weakness(text: str) -> str | None:
    raw = text.encode()
    if len(raw) < MIN_SECRET_BYTES:
        return f"is {len(raw)} bytes long, at least {MIN_SECRET_BYTES} are needed"
    if holds_public_material(raw):
        return _PUBLIC
    if text != text.strip():
        return "begins or ends with white space"
    letters = "".join(filter(str.isalnum, text.lower()))
    if text in _PUBLIC_SECRETS or any(word in letters for word in _TELLTALE_WORDS):
        return "is publicly known or typed by hand"
    return _weakness_of_bytes(raw)


def _weakness_of_bytes(raw: bytes) -> str | None:
    if len(raw) < MIN_SECRET_BYTES:
        return f"is {len(raw)} bytes long, at least {MIN_SECRET_BYTES} are needed"
    if not raw.isascii() and holds_public_material(raw):
        return _PUBLIC
    if len(set(raw)) < _MIN_DISTINCT_BYTES or _is_repetition(raw):
        return "repeats itself"
    return None


def _is_repetition(raw: bytes) -> bool:
    # A string is a repetition of a shorter one exactly if it occurs inside its own doubling, off both ends.
    return raw in (raw + raw)[1:-1]


def load_public_key(name: str, path: Path, algorithm: str) -> PublicKey:
    """Returns the public key of a PEM file, if it is the kind and size that the JWT algorithm needs.

    Args:
        name: the setting that names the file, for the message.
        path: PEM file with one public key.
        algorithm: `RS256`, `ES256` or `EdDSA`.

    Raises:
        KeyUnusableError: the file is missing, is no public key, or fits another algorithm.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeyUnusableError(f"{name}: {path} cannot be read ({error.strerror}).") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusableError(f"{name}: {path} holds no PEM public key.") from error
    if (fitting := fitting_key(key, algorithm)) is None:
        raise KeyUnusableError(f"{name}: the key in {path} does not fit {algorithm}.")
    return fitting


def fitting_key(key: object, algorithm: str) -> PublicKey | None:
    """Returns a public key if it is of the kind and size that a JWT algorithm needs."""
    match algorithm, key:
        case "RS256", RSAPublicKey() if key.key_size >= MIN_RSA_BITS:
            return key
        case "ES256", EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return key
        case "EdDSA", Ed25519PublicKey():
            return key
    return None
