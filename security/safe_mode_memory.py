"""The SAFE MODE switch in this process's memory, for tests."""

import threading
from collections import deque

from security.safe_mode import (
    AUDIT_LIMIT,
    SafeModeEvent,
    SafeModeState,
    clipped,
    timestamp,
)


class MemorySafeMode:
    """A switch that only this process sees."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = SafeModeState(enabled=False)
        self._events: deque[SafeModeEvent] = deque(maxlen=AUDIT_LIMIT)

    def read(self) -> SafeModeState:
        """See `SafeModeStore.read`."""
        return self._state

    def enable(self, reason: str, by: str) -> SafeModeState:
        """See `SafeModeStore.enable`."""
        event = SafeModeEvent("enabled", clipped(reason), by, timestamp())
        with self._lock:
            if not self._repeats_latest(event):
                self._events.appendleft(event)
            if not self._state.enabled:
                self._state = SafeModeState(enabled=True, reason=event.reason, by=by, since=event.at)
            return self._state

    def disable(self, by: str) -> SafeModeState:
        """See `SafeModeStore.disable`."""
        event = SafeModeEvent("disabled", "", by, timestamp())
        with self._lock:
            if self._state.enabled:
                self._events.appendleft(event)
                self._state = SafeModeState(enabled=False, by=by, since=event.at)
            return self._state

    def events(self, limit: int) -> list[SafeModeEvent]:
        """See `SafeModeStore.events`."""
        with self._lock:
            return list(self._events)[:limit]

    def _repeats_latest(self, event: SafeModeEvent) -> bool:
        if not self._events:
            return False
        latest = self._events[0]
        return (latest.action, latest.reason, latest.by) == (event.action, event.reason, event.by)
