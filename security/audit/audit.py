"""The audit: who did what to the platform, when and why; written once, never changed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from security.errors import SecurityError


class AuditUnavailableError(SecurityError):
    """The audit cannot be written or read now."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was done, or refused.

    Attributes:
        action: what, such as `safe_mode.enabled` or `models.rolled_back`.
        by: who: an administrator's subject, a process's name, or an operator's account.
        at: when, RFC 3339 in UTC.
        reason: why, as given or as found.
        details: further facts, such as the versions.
    """

    action: str
    by: str
    at: str
    reason: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def event_id(self) -> str:
        """The same for the same event, so that writing it twice keeps one."""
        content = [self.action, self.by, self.at, self.reason, sorted(self.details.items())]
        return hashlib.sha256(orjson.dumps(content)).hexdigest()


class AuditLog(Protocol):
    """Keeps events; every method may raise AuditUnavailableError."""

    def record(self, events: Sequence[AuditEvent]) -> None:
        """Keeps events durably; an event that is kept already does not change."""
        ...

    def latest(self, limit: int) -> list[AuditEvent]:
        """Returns the latest events, newest first."""
        ...

    def since(self, at: str, action: str) -> list[AuditEvent]:
        """Returns every event of an action from a moment on, newest first."""
        ...
