"""The keys that tokens are verified with: each bound to one algorithm and one key id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from security.errors import KeyUnusableError
from security.keys import PublicKey, check_secret, load_public_key
from settings import Settings

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, its only algorithm, and its `kid` (None: tokens carry no `kid`)."""

    key: bytes | PublicKey
    algorithm: Algorithm
    key_id: str | None = None


class KeySource(Protocol):
    """The keys that are live now."""

    @property
    def generation(self) -> int:
        """A number that changes whenever the keys do."""
        ...

    def keys(self) -> Sequence[VerificationKey]:
        """Returns the live keys.

        Raises:
            KeysUnavailableError: they are not known now; no token can be accepted.
        """
        ...

    def keys_with_id(self, key_id: str) -> Sequence[VerificationKey]:
        """Returns the live keys with this `kid`; may cause the key set to be read again. Empty if there is none.

        Raises:
            KeysUnavailableError: they are not known now; no token can be accepted.
        """
        ...

    def start(self) -> None:
        """Starts the background thread that keeps the keys current, if there is one."""
        ...

    def stop(self) -> None:
        """Ends the background thread."""
        ...


class FixedKeys:
    """The keys of the settings: at most two, the present and the previous one of a rotation."""

    generation: int = 0

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._keys = tuple(keys)

    def keys(self) -> Sequence[VerificationKey]:
        """See `KeySource.keys`."""
        return self._keys

    def keys_with_id(self, key_id: str) -> Sequence[VerificationKey]:
        """See `KeySource.keys_with_id`."""
        return [key for key in self._keys if key.key_id == key_id]

    def start(self) -> None:
        """See `KeySource.start`: nothing to do."""

    def stop(self) -> None:
        """See `KeySource.stop`: nothing to do."""


def verification_keys(settings: Settings) -> list[VerificationKey]:
    """Returns the current key and, during a rotation, the previous one.

    Raises:
        KeyUnusableError: a key is missing or weak, or two keys share one key id.
    """
    if settings.jwt_algorithm == "HS256":
        keys = [VerificationKey(check_secret("JWT_SECRET", settings.jwt_secret), "HS256", settings.jwt_key_id)]
        if settings.jwt_previous_secret is not None:
            previous = check_secret("JWT_PREVIOUS_SECRET", settings.jwt_previous_secret)
            keys.append(VerificationKey(previous, "HS256", settings.jwt_previous_key_id))
    else:
        if settings.jwt_public_key_file is None:
            raise KeyUnusableError(f"JWT_PUBLIC_KEY_FILE is not set; {settings.jwt_algorithm} needs it.")
        algorithm = settings.jwt_algorithm
        current = load_public_key("JWT_PUBLIC_KEY_FILE", settings.jwt_public_key_file, algorithm)
        keys = [VerificationKey(current, algorithm, settings.jwt_key_id)]
        if settings.jwt_previous_public_key_file is not None:
            path = settings.jwt_previous_public_key_file
            old = load_public_key("JWT_PREVIOUS_PUBLIC_KEY_FILE", path, algorithm)
            keys.append(VerificationKey(old, algorithm, settings.jwt_previous_key_id))
    if len(keys) == 2 and keys[0].key_id == keys[1].key_id is not None:
        raise KeyUnusableError("JWT_KEY_ID and JWT_PREVIOUS_KEY_ID must differ.")
    return keys
