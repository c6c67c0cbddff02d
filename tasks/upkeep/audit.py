"""Copies the events of SAFE MODE from the switch, where they are written at once, into the lasting audit."""

import logging

from security.audit.audit import AuditEvent, AuditLog, AuditUnavailableError
from security.safe_mode.safe_mode import AUDIT_LIMIT, SafeModeEvent, SafeModeStore, SafeModeUnavailableError

_USUAL_EVENTS = 20

_log = logging.getLogger(__name__)


class AuditCourier:
    """Copies events again and again; each arrives once, however often it is copied.

    Args:
        switch: keeps the newest events.
        audit: keeps them for ever.
    """

    def __init__(self, switch: SafeModeStore, audit: AuditLog) -> None:
        self._switch = switch
        self._audit = audit
        self._newest: SafeModeEvent | None = None
        self._is_failing = False

    def carry(self) -> None:
        """Copies the events since the last time; an event that cannot be copied now is copied next time."""
        try:
            events = self._new_events(_USUAL_EVENTS)
            if events is None:
                events = self._new_events(AUDIT_LIMIT) or []
            self._audit.record([_audited(event) for event in events])
        except (SafeModeUnavailableError, AuditUnavailableError) as error:
            if not self._is_failing:  # once: every drain comes by
                _log.warning("the events of SAFE MODE do not reach the audit, and wait: %s", error)
            self._is_failing = True
            return
        self._is_failing = False
        if events:
            self._newest = events[0]

    def _new_events(self, limit: int) -> list[SafeModeEvent] | None:
        """Returns the events newer than the last copied one; None if that is not among the newest `limit`."""
        events = self._switch.events(limit)
        if self._newest in events:
            return events[: events.index(self._newest)]
        return events if limit == AUDIT_LIMIT or len(events) < limit else None


def _audited(event: SafeModeEvent) -> AuditEvent:
    return AuditEvent(f"safe_mode.{event.action}", event.by, event.at, event.reason)
