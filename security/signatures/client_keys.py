"""The keys that clients sign their requests with: a shared key, and keys of single clients.

A client's own key belongs to one JWT subject and signs only that subject's requests. A subject with keys of its own
must use them, so that other holders of the shared key cannot sign in its name. A subject has at most two keys per
algorithm, an old and a new one, and changes from one to the other without a restart.

The file is JSON:

    {"keys": [{"key_id": "shop-1", "subject": "shop", "algorithm": "hmac-sha256", "secret": "…"},
              {"key_id": "shop-2", "subject": "shop", "algorithm": "ed25519", "public_key": "base64 of 32 bytes"}]}
"""

from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from security.errors import KeyUnusableError
from security.keys import check_secret
from security.names import is_key_id, is_name
from security.strict_json import StrictJsonError, parse_object

SignatureAlgorithm = Literal["hmac-sha256", "ed25519"]

SHARED_KEY_ID = "shared"
PREVIOUS_SHARED_KEY_ID = "shared-previous"
MAX_KEYS_PER_SUBJECT = 2
"""Per algorithm: the old and the new one of a rotation."""

_ALGORITHMS: Mapping[str, SignatureAlgorithm] = {"hmac-sha256": "hmac-sha256", "ed25519": "ed25519"}
_MATERIAL: Mapping[SignatureAlgorithm, str] = {"hmac-sha256": "secret", "ed25519": "public_key"}


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One key, its only algorithm, and its only subject (None: every subject without keys of its own)."""

    key_id: str
    algorithm: SignatureAlgorithm
    key: bytes | Ed25519PublicKey
    subject: str | None = None


class KeyRing:
    """The live keys at one moment; a rotation makes a new ring."""

    def __init__(self, keys: Iterable[ClientKey]) -> None:
        self._by_id = {key.key_id: key for key in keys}
        self._owners = frozenset(key.subject for key in self._by_id.values() if key.subject is not None)
        self._shared = tuple(key for key in self._by_id.values() if key.subject is None)

    def candidates(self, key_id: str | None, subject: str | None) -> Sequence[ClientKey]:
        """Returns the keys that may have signed a request: the named one, or without a name the shared ones.

        Empty if no key has that name, if the key is another subject's, or if the subject must use its own.
        """
        if key_id is None:
            return () if subject in self._owners else self._shared
        key = self._by_id.get(key_id)
        is_theirs = key is not None and (key.subject == subject if key.subject else subject not in self._owners)
        return (key,) if key is not None and is_theirs else ()


class ClientKeys(Protocol):
    """Where the live keys come from."""

    @property
    def ring(self) -> KeyRing:
        """The keys that are live now."""
        ...

    def start(self) -> None:
        """Starts the background thread that keeps them current, if there is one."""
        ...

    def stop(self) -> None:
        """Ends the background thread."""
        ...


class FixedClientKeys:
    """Keys that never change."""

    def __init__(self, keys: Iterable[ClientKey]) -> None:
        self.ring = KeyRing(keys)

    def start(self) -> None:
        """See `ClientKeys.start`: nothing to do."""

    def stop(self) -> None:
        """See `ClientKeys.stop`: nothing to do."""


def shared_key(key: bytes) -> FixedClientKeys:
    """Returns the ring of one key that all clients share."""
    return FixedClientKeys([ClientKey(SHARED_KEY_ID, "hmac-sha256", key)])


def parse_client_keys(document: bytes, *, origin: str) -> list[ClientKey]:
    """Returns the keys of a file.

    Args:
        document: the file's content.
        origin: its name, for messages.

    Raises:
        KeyUnusableError: the file is malformed, holds a weak key, or gives a subject too many keys.
    """
    try:
        entries = parse_object(document).get("keys")
    except StrictJsonError as error:
        raise KeyUnusableError(f"{origin} is no unambiguous JSON object.") from error
    if not isinstance(entries, list):
        raise KeyUnusableError(f"{origin} has no list `keys`.")
    keys = [_key(entry, f"{origin}: entry {number}") for number, entry in enumerate(entries, 1)]
    _check_counts(keys, origin)
    return keys


def _check_counts(keys: Sequence[ClientKey], origin: str) -> None:
    for key_id, count in Counter(key.key_id for key in keys).items():
        if count > 1:
            raise KeyUnusableError(f"{origin}: the key id {key_id} stands {count} times.")
    for (subject, algorithm), count in Counter((key.subject, key.algorithm) for key in keys).items():
        if count > MAX_KEYS_PER_SUBJECT:
            raise KeyUnusableError(f"{origin}: {subject} has {count} {algorithm} keys, at most 2 may live at once.")


def _key(entry: object, name: str) -> ClientKey:
    algorithm = _ALGORITHMS.get(str(entry.get("algorithm"))) if isinstance(entry, dict) else None
    if algorithm is None or not isinstance(entry, dict):
        raise KeyUnusableError(f"{name} has no `algorithm` hmac-sha256 or ed25519.")
    material = _MATERIAL[algorithm]
    if entry.keys() != {"key_id", "subject", "algorithm", material}:
        raise KeyUnusableError(f"{name} must have exactly key_id, subject, algorithm and {material}.")
    key_id, subject = entry["key_id"], entry["subject"]
    if not is_key_id(key_id) or key_id.startswith(SHARED_KEY_ID):
        raise KeyUnusableError(f"{name}: key_id is 1 to 64 of A-Za-z0-9._:- and does not begin with {SHARED_KEY_ID}.")
    if not is_name(subject):
        raise KeyUnusableError(f"{name}: subject is no `sub` that a token can have.")
    return ClientKey(key_id, algorithm, _material(entry[material], material, f"{name} ({key_id})"), subject)


def _material(value: Any, kind: str, name: str) -> bytes | Ed25519PublicKey:
    if not isinstance(value, str):
        raise KeyUnusableError(f"{name}: {kind} is no text.")
    if kind == "secret":
        return check_secret(name, value)
    try:
        return Ed25519PublicKey.from_public_bytes(b64decode(value, validate=True))
    except ValueError as error:
        raise KeyUnusableError(f"{name}: public_key is no base64 of an Ed25519 key's 32 bytes.") from error
