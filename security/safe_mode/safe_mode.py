"""SAFE MODE: one switch that every process obeys; while it is on, no model scores.

It is turned on by an administrator, or by a process that finds a model, key or environment it must not trust.
The first cause stays until SAFE MODE is turned off; later causes are audited but do not replace it, so that the reason
always says why SAFE MODE started.

The shared record is believed if it is sealed. One that is absent, or that a stranger wrote, switches nothing in a
process that knows better: it obeys the state that it knows, and writes that back. Only a process that has just started
knows nothing: for it an absent record means that SAFE MODE was never entered, and one that it cannot believe counts as
on, because it may have been on before somebody spoilt it. If that record goes, the process is where one is that starts
now: it takes the absence over.
"""

import contextlib
import logging
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
    """One audited change or cause.

    `kept` records that SAFE MODE was not turned off, because the self-test failed; `restored` that a process wrote the
    state back that it knew, and why.
    """

    action: Literal["enabled", "disabled", "kept", "restored"]
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

    def disable(self, by: str, *, after: str = "") -> SafeModeState:
        """Turns SAFE MODE off and returns the state.

        If it is off already, this rewrites "off" with a later timestamp, which every process accepts.

        Args:
            by: who wants it.
            after: the newest state that the caller knows of, in case the record is older or absent.
        """
        ...

    def restore(self, state: SafeModeState, reason: str, by: str) -> None:
        """Writes a state back that the record has lost, unless it holds one as new by now; audited with the reason."""
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

ALTERED = SafeModeState(
    enabled=True,
    reason="the SAFE MODE record in Redis is not sealed with MESSAGE_KEY: a stranger altered it, or the key was "
    "changed without a rotation; POST /admin/safe-mode/disable seals it anew if the self-test passes",
    by="this process",
)
"""The state of a switch whose content does not fit its seal, for a process that knows no other."""

_FAULTS = {
    "missing": "the record was gone from Redis",
    "altered": "the record in Redis was not sealed by us",
    "older": "an older record was put back into Redis",
}
"""How the shared record can be wrong, and what the audit then says."""

_log = logging.getLogger(__name__)


class CachedSafeMode:
    """The switch as the request path reads it: from memory, refreshed by one shared read per interval.

    After a failed read the last known state holds: on stays on, and off stays off, because without Redis nothing is
    scored anyway. Before the first successful read the state is `UNKNOWN`, which is on.

    A process accepts a sealed "off" only if it is not older than the last state it read: an old "off" put back by an
    intruder does not turn SAFE MODE off. It always accepts a sealed "on". A record that is wrong is reported, and the
    known state is written back, so that every process and every reader sees what is obeyed.

    Safe for threads and greenlets. One caller per interval reads, the others never wait. That caller waits as long as
    the store's client does, so give the client a short socket timeout, or call `refresh` from a background thread.

    Args:
        store: the shared switch.
        refresh_seconds: age from which the known state is read again.
        clock: monotonic seconds.
        name: this process, as the audit shows it.
        on_fault: called with `missing`, `altered` or `older` for each reading that finds the record so.
    """

    def __init__(
        self,
        store: SafeModeStore,
        *,
        refresh_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        name: str = "a process",
        on_fault: Callable[[str], object] = lambda _fault: None,
    ) -> None:
        self._store = store
        self._name = name
        self._on_fault = on_fault
        self._fault = ""
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._reading = threading.Lock()
        self._known = UNKNOWN
        self._due = float("-inf")
        self._newest_since = ""

    @property
    def newest_since(self) -> str:
        """The time of the newest state that was read; empty if there was none."""
        return self._newest_since

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
            fault = self._fault_of(state)
            if not fault:
                self._known = state
                self._newest_since = max(self._newest_since, state.since)
            elif self._known is UNKNOWN:
                self._known = state  # altered: nothing better is known
            self._report(fault)
            if fault and self._known is not ALTERED:
                self._store.restore(self._known, _FAULTS[fault], self._name)
        self._due = self._clock() + self._refresh_seconds

    def _fault_of(self, state: SafeModeState) -> str:
        """Returns what is wrong with a record, given what this process knows; empty if it is believed."""
        if state is ALTERED:
            return "altered"
        if state is NEVER_SET:
            return "" if self._known in {UNKNOWN, ALTERED, NEVER_SET} else "missing"
        # RFC 3339 in UTC with microseconds sorts by time.
        return "" if state.enabled or state.since >= self._newest_since else "older"

    def _report(self, fault: str) -> None:
        if fault:
            self._on_fault(fault)
        if fault and fault != self._fault:  # a fault that stays is logged once, and counted each time
            _log.critical(
                "the SAFE MODE record is not believed: %s",
                _FAULTS[fault],
                extra={"fault": fault, "obeyed": "on" if self._known.enabled else "off"},
            )
        self._fault = fault


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
