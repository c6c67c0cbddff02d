"""JSON Web Key Sets (RFC 7517): which of their keys may verify our tokens.

Only keys of the configured algorithm with a key id are taken; other keys belong to other applications. Certificates
(`x5c`, `x5u`) in an entry are ignored: the set itself is trusted.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from security.errors import KeyUnusableError
from security.keys import PublicKey, check_raw_secret, fitting_key
from security.names import is_key_id
from security.strict_json import StrictJsonError, parse_object
from security.tokens.token_keys import Algorithm, VerificationKey

MAX_DOCUMENT_BYTES = 256 * 1024
MAX_ENTRIES = 100
MAX_KEYS = 8
"""Live keys of ours in one set: two during a rotation, and room for providers that keep more."""

_KEY_TYPES: Mapping[str, str] = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "HS256": "oct"}
_PRIVATE_MEMBER = "d"


def parse_jwks(document: bytes, algorithm: Algorithm, *, origin: str, holds_secrets: bool) -> list[VerificationKey]:
    """Returns the keys of a set that may verify tokens of this algorithm; none if there are none.

    Args:
        document: the JSON text.
        algorithm: the configured one; a key of another kind, curve, use or `alg` is ignored.
        origin: where the document comes from, for messages.
        holds_secrets: whether the set comes from a place that may hold HS256 secrets, as a private file may.

    Raises:
        KeyUnusableError: it is no key set, repeats a key id, or holds a weak or private key among ours.
    """
    entries = _entries(document, origin)
    if algorithm == "HS256" and not holds_secrets:
        raise KeyUnusableError(f"{origin}: secrets do not belong into a public key set; HS256 needs JWT_JWKS_FILE.")
    keys = [_key(entry, algorithm, origin) for entry in entries if _is_ours(entry, algorithm)]
    if len({key.key_id for key in keys}) != len(keys):
        raise KeyUnusableError(f"{origin}: two keys have one kid.")
    if len(keys) > MAX_KEYS:
        raise KeyUnusableError(
            f"{origin}: holds {len(keys)} keys for {algorithm}, at most {MAX_KEYS} may live at once."
        )
    return keys


def _entries(document: bytes, origin: str) -> list[dict[str, Any]]:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise KeyUnusableError(f"{origin}: the key set is larger than {MAX_DOCUMENT_BYTES} bytes.")
    try:
        entries = parse_object(document).get("keys")
    except StrictJsonError as error:
        raise KeyUnusableError(f"{origin}: the key set is no unambiguous JSON object.") from error
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        raise KeyUnusableError(f"{origin}: the key set has no list `keys` of at most {MAX_ENTRIES} entries.")
    return [entry for entry in entries if isinstance(entry, dict)]


def _is_ours(entry: dict[str, Any], algorithm: Algorithm) -> bool:
    key_id, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    return (
        entry.get("kty") == _KEY_TYPES[algorithm]
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and is_key_id(key_id)
    )


def _key(entry: dict[str, Any], algorithm: Algorithm, origin: str) -> VerificationKey:
    name = f"{origin}: the key {entry['kid']}"
    if _PRIVATE_MEMBER in entry:
        raise KeyUnusableError(f"{name} is private; every reader of the set can sign tokens with it.")
    material = _secret(entry, name) if algorithm == "HS256" else _public_key(entry, algorithm, name)
    return VerificationKey(material, algorithm, entry["kid"])


def _secret(entry: dict[str, Any], name: str) -> bytes:
    try:
        secret = urlsafe_b64decode(entry["k"] + "=" * (-len(entry["k"]) % 4))
    except (KeyError, TypeError, ValueError) as error:
        raise KeyUnusableError(f"{name} has no secret `k` in base64url.") from error
    return check_raw_secret(name, secret)


def _public_key(entry: dict[str, Any], algorithm: Algorithm, name: str) -> PublicKey:
    parser: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[algorithm]
    try:
        key = fitting_key(parser.from_jwk(entry), algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise KeyUnusableError(f"{name} is malformed.") from error
    if key is None:
        raise KeyUnusableError(f"{name} does not fit {algorithm}.")
    return key
