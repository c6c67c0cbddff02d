"""The entrance: waiting requests are judged together, one round trip to Redis at a time.

A request that arrives while no round trip runs starts one at once; those that arrive meanwhile share the next. No
timer delays anything. Each is judged as if it had come alone: in the order of arrival, each atomically, and of two
copies of one request one is admitted. With the judgement comes what was recorded of the transactions it names.

It fails closed: a request whose judgement does not come in time is refused, and so is every request of a round trip
that failed. Such a round trip may have run all the same, and then the signatures in it are used up: the caller signs
anew. They are not given back, because a signature that could be given back could be accepted twice.
"""

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ml.domain.scoring_batch import ScoringRequest
from ml.stores.decisions.decisions import DecisionRecord
from ml.stores.placements.placements import Placement
from security.admission.admission import Admission, AdmissionRequest
from security.errors import AdmissionUnavailableError
from web.dispatch.dispatcher import Ticket
from web.http.errors import ShuttingDownError, WebError

log = logging.getLogger(__name__)

ROUND_TRIP_ROWS = 256
"""Most requests and lookups in one round trip, unless a single request asks for more: about a millisecond of Redis."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified request that asks to be let in.

    Attributes:
        request: what is judged.
        transaction_ids, customer_ids: the transactions it is about, and the customer of each.
        scoring: what is to be scored as soon as it is let in, if that is all that its transaction still needs.
    """

    request: AdmissionRequest
    transaction_ids: tuple[str, ...] = ()
    customer_ids: tuple[str, ...] = ()
    scoring: ScoringRequest | None = None

    @property
    def rows(self) -> int:
        """What it adds to a round trip."""
        return 1 + len(self.transaction_ids)


@dataclass(frozen=True, slots=True)
class Passage:
    """What became of an arrival.

    Attributes:
        admission: let in, or why not.
        records: those of its transactions that were decided before, by id; true at the time of the round trip, so
            that a decision may still come to be recorded before this request's own. Or why it cannot be told.
        placements: the shard of each of its transactions, by id; empty where scoring is not sharded.
        ticket: of its scoring, if that was begun with the admission.
    """

    admission: Admission
    records: Mapping[str, DecisionRecord | WebError]
    placements: Mapping[str, Placement] = field(default_factory=dict)
    ticket: Ticket | None = None


class EntranceCheck(Protocol):
    """Judges arrivals."""

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """Returns one passage per arrival, in order, as if they had come one after another.

        Raises:
            AdmissionUnavailableError: it cannot be decided; nothing may be admitted.
        """
        ...


@dataclass(slots=True, eq=False)
class _Ticket:
    """One caller's wait; `deadline` is on the monotonic clock."""

    arrival: Arrival
    deadline: float
    passage: Passage | None = None
    failure: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Entrance:
    """Judges the arrivals of one process, one round trip at a time, in a thread (a greenlet under gevent) of its own.

    A caller therefore only waits for an event and never longer than the timeout, whatever Redis does, and a caller
    that is killed takes nobody's judgement with it. The thread starts with the first arrival, and anew after a fork.

    Args:
        check: makes the round trip; called in the entrance's thread alone. Its own waits must be bounded.
        timeout_seconds: each caller's longest wait.
        most_rows: bound of one round trip, see `ROUND_TRIP_ROWS`.
    """

    def __init__(self, check: EntranceCheck, *, timeout_seconds: float, most_rows: int = ROUND_TRIP_ROWS) -> None:
        self._check = check
        self._timeout_seconds = timeout_seconds
        self._most_rows = most_rows
        self._reset()
        reset = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: (method := reset()) is not None and method())

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Ticket] = deque()
        self._closing = False
        self._thread: threading.Thread | None = None

    def enter(self, arrival: Arrival) -> Passage:
        """Returns the judgement of an arrival, after at most the timeout.

        Raises:
            AdmissionUnavailableError: there is none; the request must be refused.
            ShuttingDownError: the process is shutting down.
        """
        ticket = _Ticket(arrival, time.monotonic() + self._timeout_seconds)
        with self._changed:
            if self._closing:
                raise ShuttingDownError
            self._waiting.append(ticket)
            self._start()
            self._changed.notify()
        ticket.done.wait(self._timeout_seconds)
        if ticket.passage is None:
            raise AdmissionUnavailableError("replay and rate limits could not be checked in time") from ticket.failure
        return ticket.passage

    def close(self, timeout_seconds: float) -> None:
        """Refuses new arrivals, lets those that wait be judged, and ends the thread, within the timeout."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(timeout_seconds)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="entrance", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            while tickets := self._next_round():
                self._judge(tickets)
        finally:
            with self._changed:
                self._thread = None  # whatever ended this one, the next arrival starts another

    def _next_round(self) -> list[_Ticket]:
        """Waits for arrivals and takes those that still have a caller, up to the bound; none once closed."""
        with self._changed:
            while True:
                tickets = self._take_waiting()
                if tickets or self._closing:
                    return tickets
                self._changed.wait()

    def _take_waiting(self) -> list[_Ticket]:
        now, rows, tickets = time.monotonic(), 0, list[_Ticket]()
        while self._waiting and (not tickets or rows + self._waiting[0].arrival.rows <= self._most_rows):
            ticket = self._waiting.popleft()
            if ticket.deadline > now:
                rows += ticket.arrival.rows
                tickets.append(ticket)
        return tickets

    def _judge(self, tickets: Sequence[_Ticket]) -> None:
        """Hands every ticket its judgement, or the failure that took its place."""
        try:
            passages = self._check.judge([ticket.arrival for ticket in tickets])
            for ticket, passage in zip(tickets, passages, strict=True):
                ticket.passage = passage
        except Exception as error:
            # Anything: the thread serves every caller and must outlive any one round trip.
            if not isinstance(error, AdmissionUnavailableError):
                log.exception("the entrance failed")
            for ticket in tickets:
                ticket.passage, ticket.failure = None, error
        for ticket in tickets:
            ticket.done.set()
