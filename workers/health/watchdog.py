"""The watchdog: notices that this worker is connected and alive but takes no messages, and ends it.

Every few seconds it puts a probe into a queue of this worker's own, which the worker reads over the same connection and
in the same loop as its real queue. A probe that lies there unread for too long, while the broker answers the watchdog,
means that the loop is stuck: on a connection whose other end is gone, on a lock, in a task without an end. A task that
waits for a store whose server does not answer is not stuck: its wait has a bound, and until that is over the probe may
lie longer; ending the worker would mend nothing. Only the process itself can be sure of that, and only a new process
mends it: the worker ends itself and its supervisor starts it again. A process that is frozen as a whole cannot watch
itself; its supervisor notices that its endpoint does not answer. Source: ops/adr/0015.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ml.domain.errors import StoreUnavailableError

_log = logging.getLogger(__name__)


class ProbeLine(Protocol):
    """A worker's way to send itself a message; every method may raise StoreUnavailableError."""

    def send(self, probe_id: str) -> None:
        """Puts a probe into this worker's own queue."""
        ...

    def answered(self) -> set[str]:
        """Takes the ids of the probes that were answered since the last call."""
        ...

    def is_waiting(self) -> bool:
        """Returns whether a probe lies in the queue, unread."""
        ...


@dataclass(slots=True)
class _Probe:
    probe_id: str
    sent_at: float


class Watchdog:
    """Sends probes and checks for their answers; a job of the housekeeping, which runs beside the consuming loop.

    Args:
        line: this worker's own.
        interval_seconds: how long after an answer the next probe is sent.
        patience_seconds: how long a probe may lie unread.
        is_consuming: whether the worker should take messages at all: not while it starts or stops.
        on_stuck: called once, with the seconds that the probe has waited.
        on_answer: called with the seconds from probe to answer.
        store_wait: returns how much longer a probe may lie unread now, because the task at hand waits for a store.
    """

    def __init__(
        self,
        line: ProbeLine,
        *,
        interval_seconds: float,
        patience_seconds: float,
        is_consuming: Callable[[], bool],
        on_stuck: Callable[[float], None],
        on_answer: Callable[[float], None] = lambda _seconds: None,
        store_wait: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._interval_seconds = interval_seconds
        self._patience_seconds = patience_seconds
        self._is_consuming = is_consuming
        self._on_stuck = on_stuck
        self._on_answer = on_answer
        self._store_wait = store_wait
        self._clock = clock
        self._probe: _Probe | None = None
        self._next_at = clock()
        self._last_turn = clock()

    def look(self) -> None:
        """Takes one turn. A broker that does not answer says nothing about this worker: the patience begins anew."""
        now = self._clock()
        paused, self._last_turn = now - self._last_turn, now
        if not self._is_consuming():
            self._probe = None
            return
        try:
            if self._probe is None:
                self._send(now)
            else:
                self._check(self._probe, now, paused)
        except StoreUnavailableError:
            self._probe = None
            raise

    def _send(self, now: float) -> None:
        if now >= self._next_at:
            probe = _Probe(secrets.token_hex(8), now)
            self._line.send(probe.probe_id)
            self._probe = probe

    def _check(self, probe: _Probe, now: float, paused: float) -> None:
        if probe.probe_id in self._line.answered():
            self._probe, self._next_at = None, now + self._interval_seconds
            self._on_answer(now - probe.sent_at)
        elif paused > self._patience_seconds / 2:
            probe.sent_at = now  # the whole process stood still, so the loop could not read either
        elif now - probe.sent_at < self._patience_seconds + self._store_wait():
            return
        elif self._line.is_waiting():
            self._on_stuck(now - probe.sent_at)
        else:
            _log.warning("a probe was lost; another one is sent", extra={"probe": probe.probe_id})
            self._probe, self._next_at = None, now
