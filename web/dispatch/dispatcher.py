"""Natural micro-batching: many waiting requests, one scoring message in flight.

Nothing in flight: a request is sent at once. Otherwise it waits; when the reply comes, all requests that wait by then
go out as the next message, and only then are the answered callers woken. No timer delays anything; the batch grows with
the load by itself. A thread of the dispatcher's own (a greenlet under gevent) talks to the transport, so callers only
ever wait for an event, and never longer than their deadline.

A lone request's message may also leave with its admission, see `web.scoring.early_send`.
"""

import logging
from collections.abc import Callable, Sequence

from ml.domain.errors import RetryableError
from ml.domain.scoring_batch import ScoringRequest
from ml.stores.decisions.decision_seal import DecisionSeal
from security.background_thread import BackgroundThread
from web.dispatch.transport import Transport
from web.protection.circuit_breaker import CircuitBreaker
from web.scoring import early_send
from web.scoring.backlog import Backlog
from web.scoring.early_send import EarlySend
from web.scoring.results import ScoringReply, ScoringResult, read_reply
from web.scoring.scoring_call import ScoringCall

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.02
"""While a reply is overdue and nothing is pending, how often the thread looks for new requests."""


class Dispatcher:
    """Sends scoring requests in natural micro-batches and hands each caller its own results.

    One message is in flight at a time. If its reply is overdue by `patience_seconds` (its worker may have died), the
    next message goes out all the same, so that one lost message does not cost the requests behind it their deadline;
    the overdue reply is still accepted until its own deadline. The thread and the transport belong to one process:
    they start with the first request, and anew after a fork.

    Args:
        open_transport: makes the transport; called in the dispatcher's thread.
        breaker: asked before each submission; each message counts as one success or one failure.
        batch_rows: most requests in one message.
        patience_seconds: when a reply counts as overdue.
        seal: verifies the decisions in replies; None believes them all, where no one else can write them.
    """

    def __init__(
        self,
        open_transport: Callable[[], Transport],
        *,
        breaker: CircuitBreaker,
        batch_rows: int,
        patience_seconds: float,
        seal: DecisionSeal | None = None,
    ) -> None:
        self._open_transport = open_transport
        self._transport: Transport | None = None
        self._patience_seconds = patience_seconds
        self._backlog = Backlog(breaker, batch_rows=batch_rows, seal=seal)
        self._thread = BackgroundThread(self._serve, name="scoring-dispatch", after_fork=self._reset)

    def _reset(self) -> None:
        self._backlog.reset()
        self._transport = None

    @property
    def breaker(self) -> CircuitBreaker:
        """The circuit breaker of scoring."""
        return self._backlog.breaker

    def submit(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> ScoringCall:
        """See `ScoringQueue.submit`."""
        call = self._backlog.submit(requests, timeout_seconds)
        self._thread.start()
        return call

    def prepare_early_send(self, request: ScoringRequest, timeout_seconds: float) -> EarlySend | None:
        """Returns a lone request's message to be sent with its admission; None if it has to go by `submit`.

        It does if something waits or is in flight, if the breaker is not closed, and before the first connection.
        """
        transport = self._transport
        if transport is None:
            return None
        early = early_send.prepare_early_send(self._backlog, request, timeout_seconds, seal=transport.seal)
        if early is not None:
            self._thread.start()
        return early

    def collect(self, call: ScoringCall) -> list[ScoringResult]:
        """See `ScoringQueue.collect`."""
        return self._backlog.collect(call)

    def warm_up(self) -> None:
        """Starts the thread and its connections now, so that the first request does not pay for them."""
        self._thread.start()

    def close(self, timeout_seconds: float) -> None:
        """Refuses new requests, lets those under way be answered, and ends the thread, within the timeout."""
        self._backlog.close()
        self._thread.join(timeout_seconds)

    def _serve(self) -> None:
        try:
            self._connected().connect()
        except Exception:
            log.warning("the scoring queue is not reachable yet", exc_info=True)
        while self._backlog.wait_for_work():
            if self._may_send():
                self._send()
            else:
                self._receive()

    def _may_send(self) -> bool:
        return self._backlog.has_pending and self._backlog.overdue_in(self._patience_seconds) <= 0

    def _send(self) -> None:
        batch = self._backlog.take_batch()
        if batch is None:
            return
        try:
            self._connected().publish(batch)
        except Exception as error:  # noqa: BLE001 - the thread serves every caller and must outlive any one message
            self._fail([batch.batch_id], error)

    def _connected(self) -> Transport:
        if self._transport is None:
            self._transport = self._open_transport()
        return self._transport

    def _receive(self) -> None:
        """Waits for a reply; the next message goes out before the answered callers are woken."""
        try:
            reply = self._next_reply()
        except Exception as error:  # noqa: BLE001 - as in _send; a lost connection may have lost any of the replies
            self._fail(self._backlog.batch_ids, error)
            return
        answered = self._backlog.take_answered(reply)
        if self._may_send():
            self._send()
        if answered is not None and reply is not None:
            self._backlog.deliver_results(answered, reply)

    def _next_reply(self) -> ScoringReply | None:
        overdue_in = self._backlog.overdue_in(self._patience_seconds)
        patience = overdue_in if overdue_in > 0 else _POLL_SECONDS
        raw = self._connected().wait(max(0.001, min(patience, self._backlog.next_deadline_in())))
        if raw is None:
            return None
        try:
            return read_reply(raw)
        except ValueError:
            log.exception("an unintelligible reply was dropped")
            return None

    def _fail(self, batch_ids: Sequence[str], error: Exception) -> None:
        """Answers the callers of these messages at once: the queue cannot be reached."""
        if not isinstance(error, RetryableError):
            log.error("the scoring dispatcher failed", exc_info=error)
        self._backlog.fail(batch_ids)
