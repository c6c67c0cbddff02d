"""The SAFE MODE switch in this process's memory, for tests."""

import threading
from collections import deque

from security.safe_mode.safe_mode import (
    ALTERED,
    AUDIT_LIMIT,
    NEVER_SET,
    SafeModeEvent,
    SafeModeState,
    clipped,
    later_timestamp,
)


class MemorySafeMode:
    """A switch that only this process sees."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = NEVER_SET
        self._events: deque[SafeModeEvent] = deque(maxlen=AUDIT_LIMIT)

    def read(self) -> SafeModeState:
        """See `SafeModeStore.read`."""
        return self._state

    def enable(self, reason: str, by: str) -> SafeModeState:
        """See `SafeModeStore.enable`."""
        with self._lock:
            event = self._note(SafeModeEvent("enabled", clipped(reason), by, later_timestamp(self._state.since)))
            if not self._state.enabled:
                self._state = SafeModeState(enabled=True, reason=event.reason, by=by, since=event.at)
            return self._state

    def disable(self, by: str, *, after: str = "") -> SafeModeState:
        """See `SafeModeStore.disable`."""
        with self._lock:
            at = later_timestamp(max(self._state.since, after))
            event = self._note(SafeModeEvent("disabled", "", by, at))
            self._state = SafeModeState(enabled=False, by=by, since=event.at)
            return self._state

    def restore(self, state: SafeModeState, reason: str, by: str) -> None:
        """See `SafeModeStore.restore`."""
        with self._lock:
            if self._state in {NEVER_SET, ALTERED} or self._state.since < state.since:
                at = later_timestamp(state.since)
                self._note(SafeModeEvent("restored", clipped(reason), by, at))
                self._state = state if state.since else SafeModeState(enabled=False, by=by, since=at)

    def note_refusal(self, reason: str, by: str) -> None:
        """See `SafeModeStore.note_refusal`."""
        with self._lock:
            self._note(SafeModeEvent("kept", clipped(reason), by, later_timestamp(self._state.since)))

    def events(self, limit: int) -> list[SafeModeEvent]:
        """See `SafeModeStore.events`."""
        with self._lock:
            return list(self._events)[:limit]

    def _note(self, event: SafeModeEvent) -> SafeModeEvent:
        if not self._repeats_latest(event):
            self._events.appendleft(event)
        return event

    def _repeats_latest(self, event: SafeModeEvent) -> bool:
        if not self._events:
            return False
        latest = self._events[0]
        return (latest.action, latest.reason, latest.by) == (event.action, event.reason, event.by)
