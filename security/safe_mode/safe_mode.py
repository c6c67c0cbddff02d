"""SAFE MODE: one switch that every process obeys; while it is on, no model scores.

It is turned on by an administrator, or by a process that finds a model, key or environment it must not trust.
The first cause stays until SAFE MODE is turned off; later causes are audited but do not replace it, so that the reason
always says why SAFE MODE started.
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
    """The state of the switch.

    Attributes:
        enabled: whether scoring is refused.
        reason: the first cause; empty while off.
        by: the administrator or process that set this state; empty if the switch was never set.
        since: time of that change, RFC 3339 in UTC; empty if the switch was never set.
    """

    enabled: bool
    reason: str = ""
    by: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class SafeModeEvent:
    """One audited change or cause; `kept` records that SAFE MODE was not turned off, because the self-test failed."""

    action: Literal["enabled", "disabled", "kept"]
    reason: str
    by: str
    at: str


class SafeModeStore(Protocol):
    """The shared switch; every method may raise SafeModeUnavailableError."""

    def read(self) -> SafeModeState:
        """Returns the state of the switch."""
        ...

    def enable(self, reason: str, by: str) -> SafeModeState:
        """Turns SAFE MODE on and returns the state, with the first cause if it was on already.

        Each new cause is audited; an unchanged repetition is not.
        """
        ...

    def disable(self, by: str) -> SafeModeState:
        """Turns SAFE MODE off and returns the state.

        If it is off already, this rewrites "off" with a later timestamp, which every process accepts.
        """
        ...

    def note_refusal(self, reason: str, by: str) -> None:
        """Audits that an attempt to turn SAFE MODE off was refused, and why."""
        ...

    def events(self, limit: int) -> list[SafeModeEvent]:
        """Returns the latest events, newest first."""
        ...


UNKNOWN = SafeModeState(enabled=True, reason="the SAFE MODE switch has not been readable yet", by="this process")
"""The state that a process assumes before its first successful read."""

NEVER_SET = SafeModeState(enabled=False)
"""The state of a switch that was never set."""

ALTERED = SafeModeState(enabled=True, reason="the SAFE MODE switch was altered by a stranger", by="this process")
"""The state of a switch whose content does not fit its seal."""


class CachedSafeMode:
    """The switch as the request path reads it: from memory, refreshed by one shared read per interval.

    After a failed read the last known state holds: on stays on, and off stays off, because without Redis nothing is
    scored anyway. Before the first successful read the state is `UNKNOWN`, which is on.

    A process accepts "off" only if it is newer than the last state it read: a switch that vanished, or an old "off" put
    back by an intruder, does not turn SAFE MODE off. It always accepts "on".

    Safe for threads and greenlets. One caller per interval reads, the others never wait. That caller waits as long as
    the store's client does, so give the client a short socket timeout, or call `refresh` from a background thread.

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
        """Returns the known state; reads it again if it is older than the interval and no other caller is reading."""
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
        # On failure the last known state holds; before the first read that is UNKNOWN, which is on.
        with contextlib.suppress(SafeModeUnavailableError):
            state = self._store.read()
            # RFC 3339 in UTC with microseconds sorts by time.
            if state.enabled or state.since >= self._newest_since:
                self._known = state
                self._newest_since = max(self._newest_since, state.since)
        self._due = self._clock() + self._refresh_seconds


def clipped(reason: str) -> str:
    """Returns the reason, cut to REASON_LIMIT."""
    return reason[:REASON_LIMIT]


def timestamp(now: datetime | None = None) -> str:
    """Returns a moment in the form of `SafeModeState.since`: RFC 3339 in UTC with microseconds."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def later_timestamp(than: str) -> str:
    """Returns now, or a microsecond after `than` if the clock that made it was ahead; empty is before everything."""
    now = timestamp()
    if now > than:
        return now
    return timestamp(datetime.fromisoformat(than) + timedelta(microseconds=1))
