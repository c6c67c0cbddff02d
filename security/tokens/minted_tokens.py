"""The tokens that an operator minted, as the audit remembers them: never the token itself, only what names it.

| action | written | details |
| --- | --- | --- |
| `tokens.minted` | before it is handed out | `token_id`, `subject`, `roles` (by comma), `issued_at`, `expires_at` |
| `tokens.revoked` | once it is refused | `token_id`, `subject` |
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from security.audit.audit import AuditEvent, AuditLog
from security.names import is_name
from security.revocations.revocation import LAST_SECOND
from security.roles import Role
from security.safe_mode.safe_mode import timestamp

MINTED = "tokens.minted"
REVOKED = "tokens.revoked"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token as it was minted.

    Attributes:
        token_id: `jti`.
        subject: `sub`.
        roles: of the token, sorted.
        issued_at: epoch seconds.
        expires_at: epoch seconds.
        by: who minted it.
        reason: what for, as given.
    """

    token_id: str
    subject: str
    roles: tuple[str, ...]
    issued_at: int
    expires_at: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token shall say."""

    token_id: str
    subject: str
    roles: Collection[Role]
    issued_at: int
    expires_at: int


class MintedTokens:
    """Minted tokens in the audit; every method may raise AuditUnavailableError."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def note(self, token: TokenRequest, *, by: str, reason: str) -> None:
        """Writes down a token that is about to be handed out."""
        details = {
            "token_id": token.token_id,
            "subject": token.subject,
            "roles": ",".join(sorted(token.roles)),
            "issued_at": str(token.issued_at),
            "expires_at": str(token.expires_at),
        }
        self._audit.record([AuditEvent(MINTED, by, timestamp(), reason, details)])

    def note_revoked(self, token: MintedToken, *, by: str, reason: str) -> None:
        """Writes down that a token is refused from now on."""
        details = {"token_id": token.token_id, "subject": token.subject}
        self._audit.record([AuditEvent(REVOKED, by, timestamp(), reason, details)])

    def minted_within(self, life: timedelta, *, now: datetime | None = None) -> Sequence[MintedToken]:
        """Returns the tokens minted within the longest life that a token may have, newest first.

        An event of another form is logged and left out: it must not hide the tokens beside it.
        """
        earliest = (now or datetime.now(UTC)) - life
        found = (_readable(event) for event in self._audit.since(timestamp(earliest), MINTED))
        return [token for token in found if token is not None]


def _readable(event: AuditEvent) -> MintedToken | None:
    """Returns the token that an event tells of; None for an event that this module did not write."""
    try:
        token = _minted(event)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        token = None
    if token is None or not (is_name(token.token_id) and is_name(token.subject)):
        _log.error("the audit holds an event %s of another form, of %r by %r", MINTED, event.at, event.by)
        return None
    return token


def _minted(event: AuditEvent) -> MintedToken:
    issued_at, expires_at = int(event.details["issued_at"]), int(event.details["expires_at"])
    if not 0 <= issued_at <= expires_at <= LAST_SECOND:
        raise ValueError("a time that no token has")
    return MintedToken(
        token_id=event.details["token_id"],
        subject=event.details["subject"],
        roles=tuple(event.details["roles"].split(",")),
        issued_at=issued_at,
        expires_at=expires_at,
        by=event.by,
        reason=event.reason,
    )
