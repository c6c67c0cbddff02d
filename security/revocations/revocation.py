"""Revocations: a token, or every token that a subject holds now, is refused before it expires.

A revocation lasts as long as a token it covers can live, so the list empties by itself. One of a subject covers the
tokens issued up to now and, because clocks differ, up to the leeway later; tokens issued after that are good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from security.errors import SecurityError

LAST_SECOND: Final = 253_402_300_799
"""Epoch seconds of the end of the year 9999; a later time cannot be shown."""


class RevocationsUnavailableError(SecurityError):
    """The list of revoked tokens cannot be read now."""


class RevokedKind(StrEnum):
    """Whether a revocation names a token or a subject."""

    TOKEN = "token"  # noqa: S105 - a word  # nosec B105
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Revocation:
    """One entry of the list.

    Attributes:
        kind: whether `name` is a token's `jti` or a subject.
        name: 1 to 128 printable ASCII characters.
        revoked_at: epoch seconds.
        expires_at: epoch seconds; every covered token has expired by then.
        reason: why, for people.
        by: who revoked.
    """

    kind: RevokedKind
    name: str
    revoked_at: int
    expires_at: int
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class RevocationSnapshot:
    """The whole list at one moment; `version` changes with every change, and is empty before the first."""

    version: str
    entries: Sequence[Revocation]


class RevocationStore(Protocol):
    """The shared list; every method may raise RevocationsUnavailableError."""

    def version(self) -> str:
        """Returns the list's version, at the cost of one small read."""
        ...

    def read(self) -> RevocationSnapshot:
        """Returns the whole list; entries that have expired may be missing."""
        ...

    def add(self, revocation: Revocation, *, now: int) -> None:
        """Puts an entry on the list, in place of an earlier one of the same kind and name; drops expired ones."""
        ...

    def lift(self, kind: RevokedKind, name: str) -> bool:
        """Takes an entry off the list and returns whether there was one."""
        ...


class Revocations(Protocol):
    """The list as the request path reads it."""

    @property
    def generation(self) -> int:
        """A number that changes whenever the list does.

        Raises:
            RevocationsUnavailableError: the list was never readable.
        """
        ...

    def covers(self, *, token_id: str, subject: str, issued_at: int) -> bool:
        """Returns whether a token with these claims is revoked."""
        ...

    def start(self) -> None:
        """Starts the background thread that keeps the list current, if there is one."""
        ...

    def stop(self) -> None:
        """Ends the background thread."""
        ...


def revocation(
    kind: RevokedKind, name: str, *, now: int, longest_life_seconds: int, reason: str = "", by: str = ""
) -> Revocation:
    """Returns a new entry that lasts as long as a token issued by now can live."""
    return Revocation(kind, name, now, now + longest_life_seconds, reason, by)
