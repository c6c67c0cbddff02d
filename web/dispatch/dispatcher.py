"""Natural micro-batching: many waiting requests, one scoring message in flight.

Nothing in flight: a request is sent at once. Otherwise it waits; when the reply comes, everything that waits by then
goes out as the next message, and only then are the answered callers woken. No timer delays anything; the batch
grows with the load by itself. A thread of the dispatcher's own (a greenlet under gevent) talks to the transport,
so callers only ever wait for an event, and never longer than their deadline.

While nothing waits and nothing is in flight, a message may also leave with somebody else: with the round trip that
lets its request in (`Dispatcher.reserve`).
"""

import logging
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from ml.domain.errors import RetryableError
from ml.domain.scoring_batch import ScoringRequest
from tasks.messaging.messages import SealedMessage
from web.dispatch.scoring_results import ScoringReply, ScoringResult, read_reply, read_result
from web.dispatch.transport import Batch, Transport
from web.http.errors import DeadlineError, OverloadedError, QueueUnavailableError, ScoringFailedError, ShuttingDownError
from web.protection.circuit_breaker import CircuitBreaker
from web.protection.pace import Pace

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.02
"""While a reply is overdue and nothing is pending, how often the thread looks for new requests."""


@dataclass(slots=True, eq=False)
class ScoringCall:
    """One call of `submit`: its results as far as they are known, and the event that ends the wait.

    `deadline` is on the monotonic clock; `missing` counts the results not yet known.
    """

    deadline: float
    results: list[ScoringResult | None]
    missing: int
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, eq=False)
class _Entry:
    """One request of a call, pending or in flight."""

    request: ScoringRequest
    call: ScoringCall
    position: int


@dataclass(slots=True, eq=False)
class BatchInFlight:
    """A message that was sent and not yet answered; `failure_counted` keeps its failure from being counted twice."""

    entries: list[_Entry]
    sent_at: float
    deadline: float
    failure_counted: bool = False


@dataclass(frozen=True, slots=True)
class EarlySend:
    """A message that leaves with somebody else; who reserved it must say what became of it.

    Attributes:
        message: to be put on its queue, once.
        call: its one request's, for `Dispatcher.collect`.
        settle: takes whether the message was sent; until it is called nothing else leaves. A message of uncertain fate
            counts as not sent: whoever waited for it was told, and its reply, if one comes, is dropped.
    """

    message: SealedMessage
    call: ScoringCall
    confirm: Callable[[bool], None]


class Dispatcher:
    """Sends scoring requests in natural micro-batches and hands each caller its own results.

    One message is in flight at a time. If its reply is overdue by `patience_seconds` (its worker may have died), the
    next message goes out all the same, so that one lost message does not cost the requests behind it their deadline;
    the overdue reply is still accepted until its own deadline. The thread and the transport belong to one process:
    they start with the first request, and anew after a fork.

    A request that would wait too long behind the others for its deadline is refused at once, so that those that are
    taken are answered in time however many come.

    Args:
        open_transport: makes the transport; called in the dispatcher's thread.
        breaker: asked before each submission, told about each message.
        batch_rows: most requests in one message.
        patience_seconds: when a reply counts as overdue.
    """

    def __init__(
        self,
        open_transport: Callable[[], Transport],
        *,
        breaker: CircuitBreaker,
        batch_rows: int,
        patience_seconds: float,
    ) -> None:
        self._open_transport = open_transport
        self.breaker = breaker
        self._batch_rows = batch_rows
        self._patience_seconds = patience_seconds
        self._reset()
        reset = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: (method := reset()) is not None and method())

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._pending: deque[_Entry] = deque()
        self._in_flight: dict[str, BatchInFlight] = {}
        self._early_batch_id: str | None = None
        self._pace = Pace()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._transport: Transport | None = None

    def score(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> list[ScoringResult]:
        """Returns one result per request, in order, after at most `timeout_seconds`.

        Raises:
            BreakerOpenError: the circuit breaker refuses.
            OverloadedError: too many wait already.
            ShuttingDownError: the process is shutting down.
        """
        return self.collect(self.submit(requests, timeout_seconds))

    def submit(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> ScoringCall:
        """Queues requests and returns the call that `collect` takes.

        Raises:
            BreakerOpenError: the circuit breaker refuses.
            OverloadedError: too many wait already.
            ShuttingDownError: the process is shutting down.
        """
        if self._pace.is_hopeless(len(self._pending) // self._batch_rows, timeout_seconds):
            raise OverloadedError
        self.breaker.admit()
        call = ScoringCall(time.monotonic() + timeout_seconds, [None] * len(requests), len(requests))
        entries = [_Entry(request, call, position) for position, request in enumerate(requests)]
        with self._changed:
            if self._closing:
                raise ShuttingDownError
            self._pending.extend(entries)
            self._start()
            self._changed.notify()
        return call

    def prepare_early_send(self, request: ScoringRequest, timeout_seconds: float) -> EarlySend | None:
        """Returns a message for somebody else to send at once; None if it has to go the usual way, by `submit`.

        It does if something waits or is in flight, if the breaker is not closed, and before the first connection.
        """
        with self._changed:
            transport = self._transport
            if transport is None or self._closing or self._pending or self._in_flight or not self.breaker.is_closed():
                return None
            batch_id, now = secrets.token_hex(8), time.monotonic()
            call = ScoringCall(now + timeout_seconds, [None], 1)
            message = transport.seal(Batch(batch_id, (request,), _epoch_ms(timeout_seconds)))
            if message is None:
                return None
            self._start()
            self._in_flight[batch_id] = BatchInFlight([_Entry(request, call, 0)], now, call.deadline)
            self._early_batch_id = batch_id
        return EarlySend(message, call, partial(self._confirm_early_send, batch_id))

    def _confirm_early_send(self, batch_id: str, was_sent: bool) -> None:  # noqa: FBT001 - the one thing it is told
        with self._changed:
            self._early_batch_id = None
            if not was_sent:
                self._in_flight.pop(batch_id, None)
            self._changed.notify()

    def warm_up(self) -> None:
        """Starts the thread and its connections now, so that the first request does not pay for them."""
        with self._changed:
            if not self._closing:
                self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="scoring-dispatch", daemon=True)
            self._thread.start()

    def collect(self, call: ScoringCall) -> list[ScoringResult]:
        """Waits for a call's results, at most until its deadline; what is missing then is a DeadlineError."""
        if call.missing:
            call.done.wait(max(0.0, call.deadline - time.monotonic()))
        if call.missing:
            with self._changed:
                for batch in self._in_flight.values():
                    if any(entry.call is call for entry in batch.entries):
                        self._count_failure(batch)
        return [DeadlineError() if result is None else result for result in call.results]

    def close(self, timeout_seconds: float) -> None:
        """Refuses new requests, lets those under way be answered, and ends the thread, within the timeout."""
        with self._changed:
            self._closing = True
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            with self._changed:
                self._thread = None  # whatever ended this one, the next request starts another

    def _serve(self) -> None:
        try:
            self._connected().connect()
        except Exception:
            log.warning("the scoring queue is not reachable yet", exc_info=True)
        while self._has_work():
            if self._may_send():
                self._send()
            else:
                self._receive()

    def _has_work(self) -> bool:
        """Waits for something to do; False once closed and drained."""
        with self._changed:
            while self._early_batch_id is not None or not (self._pending or self._in_flight):
                if self._closing and self._early_batch_id is None:
                    return False
                self._changed.wait()
            return True

    def _may_send(self) -> bool:
        return bool(self._pending) and self._overdue_in() <= 0

    def _overdue_in(self) -> float:
        """Returns the seconds until the newest message in flight is overdue; 0 if there is none."""
        newest = max((batch.sent_at for batch in self._in_flight.values()), default=None)
        return 0.0 if newest is None else newest + self._patience_seconds - time.monotonic()

    def _send(self) -> None:
        """Sends the next message; requests whose callers have gone are left out."""
        with self._changed:
            entries = self._take_pending()
            if not entries:
                return
            batch_id, now = secrets.token_hex(8), time.monotonic()
            deadline = max(entry.call.deadline for entry in entries)
            # In flight before it is sent: a caller whose deadline passes during a slow send finds whom to blame.
            self._in_flight[batch_id] = BatchInFlight(entries, now, deadline)
        batch = Batch(batch_id, tuple(entry.request for entry in entries), _epoch_ms(deadline - now))
        try:
            self._connected().publish(batch)
        except Exception as error:  # noqa: BLE001 - the thread serves every caller and must outlive any one message
            self._fail([batch_id], error)

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = self._open_transport()
        return self._transport

    def _take_pending(self) -> list[_Entry]:
        now = time.monotonic()
        entries: list[_Entry] = []
        while self._pending and len(entries) < self._batch_rows:
            entry = self._pending.popleft()
            if entry.call.deadline > now:
                entries.append(entry)
        return entries

    def _receive(self) -> None:
        """Waits for a reply; the next message goes out before the answered callers are woken."""
        try:
            reply = self._next_reply()
        except Exception as error:  # noqa: BLE001 - as in _send; a lost connection may have lost any of the replies
            self._fail(list(self._in_flight), error)
            return
        batch = self._take_answered(reply)
        if self._may_send():
            self._send()
        if batch is not None and reply is not None:
            self._pace.note(time.monotonic() - batch.sent_at)
            self._deliver_results(batch, _read_results(reply, batch))

    def _next_reply(self) -> ScoringReply | None:
        now = time.monotonic()
        earliest_deadline = min(batch.deadline for batch in self._in_flight.values())
        overdue_in = self._overdue_in()
        patience = overdue_in if overdue_in > 0 else _POLL_SECONDS
        raw = self._connected().wait(max(0.001, min(patience, earliest_deadline - now)))
        if raw is None:
            return None
        try:
            return read_reply(raw)
        except ValueError:
            log.exception("an unintelligible reply was dropped")
            return None

    def _take_answered(self, reply: ScoringReply | None) -> BatchInFlight | None:
        """Takes the answered batch out, if it is still known, and gives up those whose deadline has passed."""
        now = time.monotonic()
        with self._changed:
            batch = self._in_flight.pop(reply.batch_id, None) if reply is not None else None
            for batch_id, late in list(self._in_flight.items()):
                if late.deadline <= now:
                    self._count_failure(late)
                    del self._in_flight[batch_id]
        return batch

    def _deliver_results(self, batch: BatchInFlight, results: Sequence[ScoringResult]) -> None:
        """Hands out a batch's results and wakes the callers whose last one came."""
        complete: list[ScoringCall] = []
        with self._changed:
            if any(isinstance(result, DeadlineError) for result in results):
                self._count_failure(batch)
            elif not batch.failure_counted:
                self.breaker.record_success()
            for entry, result in zip(batch.entries, results, strict=True):
                entry.call.results[entry.position] = result
                entry.call.missing -= 1
                if entry.call.missing == 0:
                    complete.append(entry.call)
        for call in complete:
            call.done.set()

    def _fail(self, batch_ids: Sequence[str], error: Exception) -> None:
        """Tells the callers of these messages at once that the queue cannot be reached."""
        if not isinstance(error, RetryableError):
            log.error("the scoring dispatcher failed", exc_info=error)
        for batch_id in batch_ids:
            with self._changed:
                batch = self._in_flight.pop(batch_id)
                self._count_failure(batch)
            self._deliver_results(batch, [QueueUnavailableError() for _ in batch.entries])

    def _count_failure(self, batch: BatchInFlight) -> None:
        """Counts a batch as one failure of the scoring service, once."""
        if not batch.failure_counted:
            batch.failure_counted = True
            self.breaker.record_failure()


def _epoch_ms(seconds_from_now: float) -> int:
    return int((time.time() + seconds_from_now) * 1000)


def _read_results(reply: ScoringReply, batch: BatchInFlight) -> list[ScoringResult]:
    if len(reply.results) != len(batch.entries):
        return [ScoringFailedError() for _ in batch.entries]
    return [read_result(item, entry.request) for item, entry in zip(reply.results, batch.entries, strict=True)]
