"""The audit in memory, for tests."""

from collections.abc import Sequence

from security.audit.audit import AuditEvent


class MemoryAuditLog:
    """Keeps events in this process."""

    def __init__(self) -> None:
        self._events: dict[str, AuditEvent] = {}

    def record(self, events: Sequence[AuditEvent]) -> None:
        """See `AuditLog.record`."""
        for event in events:
            self._events.setdefault(event.event_id, event)

    def latest(self, limit: int) -> list[AuditEvent]:
        """See `AuditLog.latest`."""
        return sorted(self._events.values(), key=lambda event: event.at, reverse=True)[:limit]

    def since(self, at: str, action: str) -> list[AuditEvent]:
        """See `AuditLog.since`."""
        return [event for event in self.latest(len(self._events)) if event.action == action and event.at >= at]
