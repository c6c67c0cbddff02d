"""The backlog of one process: the requests that wait to be sent, and the batches in flight."""

import threading
import time
from collections import deque
from collections.abc import Sequence

from ml.domain.scoring_batch import ScoringRequest
from ml.stores.decisions.decision_seal import DecisionSeal
from web.http.errors import DeadlineError, OverloadedError, QueueUnavailableError, ShuttingDownError
from web.protection.circuit_breaker import CircuitBreaker
from web.protection.pace import Pace
from web.scoring.batch import Batch, BatchInFlight
from web.scoring.results import ScoringReply, ScoringResult
from web.scoring.scoring_call import QueuedRequest, ScoringCall


class Backlog:
    """Keeps requests from their submission to their result, behind one lock; it sends and receives nothing itself.

    A request that would wait too long behind the others for its deadline is refused at once, so that the accepted ones
    are answered in time however many come.

    Args:
        breaker: asked before each submission; each batch counts as one success or one failure.
        batch_rows: most requests in one batch.
        seal: verifies the decisions in replies; None believes them all.
    """

    def __init__(self, breaker: CircuitBreaker, *, batch_rows: int, seal: DecisionSeal | None) -> None:
        self.breaker = breaker
        self._seal = seal
        self._batch_rows = batch_rows
        self.reset()

    def reset(self) -> None:
        """Starts empty: in a forked child no caller of the parent waits, and its locks are never released."""
        self.changed = threading.Condition()
        self._pending: deque[QueuedRequest] = deque()
        self._in_flight: dict[str, BatchInFlight] = {}
        self._early_batch_id: str | None = None
        self._pace = Pace()
        self._closing = False

    @property
    def has_pending(self) -> bool:
        """Whether requests wait to be sent."""
        return bool(self._pending)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, nothing is in flight, and a request that came now would be accepted."""
        return not (self._closing or self._pending or self._in_flight) and self.breaker.is_closed()

    @property
    def batch_ids(self) -> list[str]:
        """The batches in flight."""
        return list(self._in_flight)

    def submit(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> ScoringCall:
        """Adds requests and returns the call that `collect` takes.

        Raises:
            BreakerOpenError: the circuit breaker refuses.
            OverloadedError: too many wait already.
            ShuttingDownError: the process is shutting down.
        """
        if self._pace.is_hopeless(len(self._pending) // self._batch_rows, timeout_seconds):
            raise OverloadedError
        self.breaker.admit()
        call = ScoringCall.of(len(requests), timeout_seconds)
        queued = [QueuedRequest(request, call, position) for position, request in enumerate(requests)]
        with self.changed:
            if self._closing:
                self.breaker.record_neither()
                raise ShuttingDownError
            self._pending.extend(queued)
            self.changed.notify()
        return call

    def collect(self, call: ScoringCall) -> list[ScoringResult]:
        """Waits for a call's results, at most until its deadline; a result that is missing then is a DeadlineError."""
        call.wait()
        if call.missing:
            with self.changed:
                for batch in self._in_flight.values():
                    if any(item.call is call for item in batch.queued):
                        self._count_failure(batch)
        return call.results_by_now()

    def close(self) -> None:
        """Refuses new requests from now on."""
        with self.changed:
            self._closing = True
            self.changed.notify()

    def begin_early(self, batch_id: str, batch: BatchInFlight) -> None:
        """Takes in a batch that leaves early; no other batch leaves until `end_early`."""
        self._in_flight[batch_id] = batch
        self._early_batch_id = batch_id

    def end_early(self, *, was_sent: bool) -> None:
        """Lets other batches leave again; one that was not sent is forgotten."""
        with self.changed:
            batch_id, self._early_batch_id = self._early_batch_id, None
            if batch_id is not None and not was_sent:
                self._in_flight.pop(batch_id, None)
            self.changed.notify()

    def wait_for_work(self) -> bool:
        """Waits until there is a request to send or a reply to await; False once closed and empty."""
        with self.changed:
            while self._early_batch_id is not None or not (self._pending or self._in_flight):
                if self._closing and self._early_batch_id is None:
                    return False
                self.changed.wait()
            return True

    def overdue_in(self, patience_seconds: float) -> float:
        """Returns the seconds until the newest batch in flight is overdue; 0 if there is none."""
        newest = max((batch.sent_at for batch in self._in_flight.values()), default=None)
        return 0.0 if newest is None else newest + patience_seconds - time.monotonic()

    def next_deadline_in(self) -> float:
        """Returns the seconds until the earliest deadline of the batches in flight."""
        return min(batch.deadline for batch in self._in_flight.values()) - time.monotonic()

    def take_batch(self) -> Batch | None:
        """Puts the next batch in flight and returns it, without the requests whose callers have gone; None if empty."""
        with self.changed:
            queued = self._take_pending()
            if not queued:
                return None
            batch = BatchInFlight.of(queued)
            message = batch.message()
            # In flight before it is sent: a caller whose deadline passes during a slow send must find its batch here.
            self._in_flight[message.batch_id] = batch
        return message

    def take_answered(self, reply: ScoringReply | None) -> BatchInFlight | None:
        """Takes out the answered batch, if it is still known, and gives up those whose deadline has passed."""
        now = time.monotonic()
        with self.changed:
            batch = self._in_flight.pop(reply.batch_id, None) if reply is not None else None
            for batch_id, late in list(self._in_flight.items()):
                if late.deadline <= now:
                    self._count_failure(late)
                    del self._in_flight[batch_id]
        return batch

    def deliver_results(self, batch: BatchInFlight, reply: ScoringReply) -> None:
        """Gives each request of an answered batch its result, and wakes the callers that miss no other."""
        self._pace.note(time.monotonic() - batch.sent_at)
        results = batch.read(reply, self._seal)
        with self.changed:
            if any(isinstance(result, DeadlineError) for result in results):
                self._count_failure(batch)
            elif not batch.failure_counted:
                self.breaker.record_success()
            complete = _hand_out(batch, results)
        for call in complete:
            call.done.set()

    def fail(self, batch_ids: Sequence[str]) -> None:
        """Ends batches whose message or reply was lost: each counts as one failure, and no caller waits any longer."""
        for batch_id in batch_ids:
            with self.changed:
                batch = self._in_flight.pop(batch_id)
                self._count_failure(batch)
                complete = _hand_out(batch, [QueueUnavailableError() for _ in batch.queued])
            for call in complete:
                call.done.set()

    def _take_pending(self) -> list[QueuedRequest]:
        now = time.monotonic()
        queued: list[QueuedRequest] = []
        while self._pending and len(queued) < self._batch_rows:
            item = self._pending.popleft()
            if item.call.deadline > now:
                queued.append(item)
            else:
                self.breaker.record_neither()  # it is not sent, so nobody will report on it
        return queued

    def _count_failure(self, batch: BatchInFlight) -> None:
        """Counts a batch as one failure of the scoring service, once."""
        if not batch.failure_counted:
            batch.failure_counted = True
            self.breaker.record_failure()


def _hand_out(batch: BatchInFlight, results: Sequence[ScoringResult]) -> list[ScoringCall]:
    """Writes the results into their calls and returns the calls that are complete."""
    complete = []
    for item, result in zip(batch.queued, results, strict=True):
        item.call.results[item.position] = result
        item.call.missing -= 1
        if item.call.missing == 0:
            complete.append(item.call)
    return complete
