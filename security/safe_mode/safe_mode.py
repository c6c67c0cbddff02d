"""SAFE MODE: one switch that every process obeys; while it is on, no model scores.

It is turned on by an administrator, or by a process that finds a model, key or environment it must not trust.
The first cause stands until somebody turns it off; later causes are audited but do not replace it, so the
answer to "why did it start" is never overwritten by what followed.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from security.errors import SecurityError

AUDIT_LIMIT = 1000
"""Events kept; the oldest go first."""

REASON_LIMIT = 500
"""Characters of a reason that are kept."""


class SafeModeUnavailableError(SecurityError):
    """The shared switch can neither be read nor set now."""


@dataclass(frozen=True, slots=True)
class SafeModeState:
    """How the switch stands.

    Attributes:
        enabled: whether scoring is refused.
        reason: the first cause; empty while off.
        by: who set it to this state; empty if nobody ever has.
        since: when, RFC 3339 in UTC; empty if never.
    """

    enabled: bool
    reason: str = ""
    by: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class SafeModeEvent:
    """One audited change or cause; `kept` is a refusal to turn it off, because the self-test failed."""

    action: Literal["enabled", "disabled", "kept"]
    reason: str
    by: str
    at: str


class SafeModeStore(Protocol):
    """The shared switch; every method may raise SafeModeUnavailableError."""

    def read(self) -> SafeModeState:
        """Returns how the switch stands."""
        ...

    def enable(self, reason: str, by: str) -> SafeModeState:
        """Turns SAFE MODE on and returns the state, which keeps the first cause if it was on already.

        Each new cause is audited; one repeated unchanged is not.
        """
        ...

    def disable(self, by: str) -> SafeModeState:
        """Turns SAFE MODE off and returns the state.

        Where it is off already this confirms it: a process that saw it on, and does not believe an older "off", obeys.
        """
        ...

    def note_refusal(self, reason: str, by: str) -> None:
        """Audits that somebody wanted to turn SAFE MODE off and was refused, and why."""
        ...

    def events(self, limit: int) -> list[SafeModeEvent]:
        """Returns the latest events, newest first."""
        ...


UNKNOWN = SafeModeState(enabled=True, reason="the SAFE MODE switch has not been readable yet", by="this process")
"""What a process assumes before its first successful read."""

NEVER_SET = SafeModeState(enabled=False)
"""The switch of a platform where nobody has ever turned it on or off."""

ALTERED = SafeModeState(enabled=True, reason="the SAFE MODE switch was altered by a stranger", by="this process")
"""What a switch counts as whose content does not fit its seal."""


class CachedSafeMode:
    """The switch as the request path reads it: from memory, refreshed by one shared read per interval.

    A read that fails keeps the last known state: a process that knew SAFE MODE was on stays shut, one that knew
    it was off goes on, because without Redis nothing is scored anyway. Before the first successful read the
    state is `UNKNOWN`, which is on.

    Off is believed only if it is newer than the last state seen: a switch that vanished, or an old "off" put back in
    its place, opens nothing in a process that knows better. On is believed in any case.

    Safe for threads and greenlets. Exactly one caller per interval pays for the read, the others never wait.
    That caller can wait as long as the store's client does, so give the client a short socket timeout, or call
    `refresh` from a thread or greenlet of its own and `state` stays in memory.

    Args:
        store: the shared switch.
        refresh_seconds: age from which the known state is read again.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: SafeModeStore,
        *,
        refresh_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._reading = threading.Lock()
        self._known = UNKNOWN
        self._due = float("-inf")
        self._newest_since = ""

    def state(self) -> SafeModeState:
        """Returns the known state, read again if it is older than the interval and nobody else is reading."""
        if self._clock() >= self._due and self._reading.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._reading.release()
        return self._known

    def refresh(self) -> SafeModeState:
        """Reads the switch now and returns the state; a failed read returns the last known one."""
        with self._reading:
            self._read()
        return self._known

    def _read(self) -> None:
        # Fails as it stood: the last known state is kept, and before the first read that is UNKNOWN, shut.
        with contextlib.suppress(SafeModeUnavailableError):
            state = self._store.read()
            # RFC 3339 in UTC with microseconds sorts by time.
            if state.enabled or state.since >= self._newest_since:
                self._known = state
                self._newest_since = max(self._newest_since, state.since)
        self._due = self._clock() + self._refresh_seconds


def clipped(reason: str) -> str:
    """Returns the reason, cut to what is kept."""
    return reason[:REASON_LIMIT]


def timestamp(now: datetime | None = None) -> str:
    """Returns a moment as the state shows it: RFC 3339 in UTC with microseconds."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def later_timestamp(than: str) -> str:
    """Returns now, or a microsecond after `than` if the clock that made it was ahead; empty is before everything."""
    now = timestamp()
    if now > than:
        return now
    return timestamp(datetime.fromisoformat(than) + timedelta(microseconds=1))
