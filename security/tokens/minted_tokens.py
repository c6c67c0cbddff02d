"""The tokens that an operator minted, as the audit remembers them: never the token itself, only what names it.

| action | written | details |
| --- | --- | --- |
| `tokens.minted` | before it is handed out | `token_id`, `subject`, `roles` (by comma), `issued_at`, `expires_at` |
| `tokens.revoked` | once it is refused | `token_id`, `subject` |
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from security.audit.audit import AuditEvent, AuditLog
from security.roles import Role
from security.safe_mode.safe_mode import timestamp

MINTED = "tokens.minted"
REVOKED = "tokens.revoked"


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
        """Returns the tokens minted within the longest life that a token may have, newest first."""
        earliest = (now or datetime.now(UTC)) - life
        return [_minted(event) for event in self._audit.since(timestamp(earliest), MINTED)]


def _minted(event: AuditEvent) -> MintedToken:
    return MintedToken(
        token_id=event.details["token_id"],
        subject=event.details["subject"],
        roles=tuple(event.details["roles"].split(",")),
        issued_at=int(event.details["issued_at"]),
        expires_at=int(event.details["expires_at"]),
        by=event.by,
        reason=event.reason,
    )
