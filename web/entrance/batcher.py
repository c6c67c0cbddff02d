"""Admission in batches: waiting requests are decided together, one round trip to Redis at a time.

A request that comes while no round trip runs starts one at once; those that come meanwhile share the next. No timer
delays anything. Each is decided as if it had come alone: in the order in which they came, each atomically, and of two
copies of one request one is admitted. The result also holds the records of the transactions that the request names.

Admission fails closed: a request without a result in time is refused, and so is every request of a round trip that
failed. Such a round trip may have run all the same, and then its signatures are used up: the client signs anew. They
are not given back, because a signature that could be given back could be accepted twice.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ml.domain.scoring_batch import ScoringRequest
from ml.stores.decisions.decisions import DecisionRecord
from ml.stores.placements.placements import Placement
from security.admission.admission import Admission, AdmissionRequest
from security.background_thread import BackgroundThread
from security.errors import AdmissionUnavailableError
from web.http.errors import ShuttingDownError, WebError
from web.scoring.scoring_call import ScoringCall

log = logging.getLogger(__name__)

ROUND_TRIP_ROWS = 256
"""Most requests and lookups in one round trip, unless a single request asks for more: about a millisecond of Redis."""


@dataclass(frozen=True, slots=True)
class AdmissionCall:
    """One verified request that asks for admission.

    Attributes:
        request: subject, signature, transactions and devices of the request.
        transaction_ids, customer_ids: the transactions it is about, and the customer of each.
        scoring: the scoring request to send as soon as this one is admitted, if nothing else stands in its way.
        deadline: when the request's answer must begin, on the monotonic clock.
    """

    request: AdmissionRequest
    transaction_ids: tuple[str, ...] = ()
    customer_ids: tuple[str, ...] = ()
    scoring: ScoringRequest | None = None
    deadline: float = math.inf

    @property
    def rows(self) -> int:
        """Rows that this call adds to a round trip."""
        return 1 + len(self.transaction_ids) + (len(self.request.load.devices) if self.request.load.is_batch else 0)


@dataclass(frozen=True, slots=True)
class AdmissionResult:
    """The answer to an admission call.

    Attributes:
        admission: admitted, or why not.
        records: the records of those of its transactions that were decided before, by id, or the error that kept one
            from being read. As of the round trip: another request may still record a decision before this one's.
        placements: the shard of each of its transactions, by id; empty where scoring is not sharded.
        scoring_call: the call for its scoring, if its message was sent with the admission.
    """

    admission: Admission
    records: Mapping[str, DecisionRecord | WebError]
    placements: Mapping[str, Placement] = field(default_factory=dict)
    scoring_call: ScoringCall | None = None


class AdmissionCheck(Protocol):
    """Decides admission calls."""

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        """Returns one result per call, in order, as if the calls had come one after another.

        Raises:
            AdmissionUnavailableError: no decision is possible; nothing may be admitted.
        """
        ...


@dataclass(slots=True, eq=False)
class _Wait:
    """One caller's wait; `deadline` is on the monotonic clock."""

    call: AdmissionCall
    deadline: float
    result: AdmissionResult | None = None
    failure: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class AdmissionBatcher:
    """Decides the calls of one process, one round trip at a time, in a thread (a greenlet under gevent) of its own.

    A caller therefore only waits for an event and never longer than the timeout, even if Redis hangs, and a caller
    that is killed leaves the others' round trip untouched. The thread starts with the first call, and anew after a
    fork.

    Args:
        check: makes the round trip; called in the batcher's thread alone. Its own waits must be bounded.
        timeout_seconds: each caller's longest wait, if its deadline does not come first.
    """

    def __init__(self, check: AdmissionCheck, *, timeout_seconds: float) -> None:
        self._check = check
        self._timeout_seconds = timeout_seconds
        self._reset()
        self._thread = BackgroundThread(self._run, name="admission", after_fork=self._reset)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Wait] = deque()
        self._closing = False

    def admit(self, call: AdmissionCall) -> AdmissionResult:
        """Returns the result of a call, at its deadline at the latest.

        Raises:
            AdmissionUnavailableError: there is no result; the request must be refused.
            ShuttingDownError: the process is shutting down.
        """
        wait = _Wait(call, min(call.deadline, time.monotonic() + self._timeout_seconds))
        with self._changed:
            if self._closing:
                raise ShuttingDownError
            self._waiting.append(wait)
            self._changed.notify()
        self._thread.start()
        wait.done.wait(wait.deadline - time.monotonic())
        if wait.result is None:
            raise AdmissionUnavailableError("replay and rate limits could not be checked in time") from wait.failure
        return wait.result

    def close(self, timeout_seconds: float) -> None:
        """Refuses new calls, decides the waiting ones, and ends the thread, within the timeout."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while waits := self._next_round():
            self._decide(waits)

    def _next_round(self) -> list[_Wait]:
        """Waits for calls and takes those that still have a caller, up to the bound; none once closed."""
        with self._changed:
            while True:
                waits = self._take_waiting()
                if waits or self._closing:
                    return waits
                self._changed.wait()

    def _take_waiting(self) -> list[_Wait]:
        now, rows, waits = time.monotonic(), 0, list[_Wait]()
        while self._waiting and (not waits or rows + self._waiting[0].call.rows <= ROUND_TRIP_ROWS):
            wait = self._waiting.popleft()
            if wait.deadline > now:
                rows += wait.call.rows
                waits.append(wait)
        return waits

    def _decide(self, waits: Sequence[_Wait]) -> None:
        """Gives every waiting caller its result, or the failure of the round trip."""
        try:
            results = self._check.decide([wait.call for wait in waits])
            for wait, result in zip(waits, results, strict=True):
                wait.result = result
        except Exception as error:
            # Any failure: the thread serves every caller and must outlive any one round trip.
            if not isinstance(error, AdmissionUnavailableError):
                log.exception("an admission round trip failed")
            for wait in waits:
                wait.result, wait.failure = None, error
        for wait in waits:
            wait.done.set()
