import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from tasks.messaging.messages import SealedMessage
from tests.unit.web.dispatch.dispatching import dispatch
from web.dispatch.dispatcher import Dispatcher
from web.dispatch.transport_memory import MemoryTransport
from web.http.errors import (
    BreakerOpenError,
    ConflictError,
    DeadlineError,
    HistoriesUnavailableError,
    OverloadedError,
    QueueUnavailableError,
    SafeModeError,
    ScoringFailedError,
    ShuttingDownError,
)
from web.protection.circuit_breaker import BreakerState, CircuitBreaker
from web.scoring.batch import Batch
from web.scoring.early_send import EarlySend
from web.scoring.results import Scored

TIMEOUT = 5.0


def request_of(transaction_id: str) -> ScoringRequest:
    transaction = Transaction(
        transaction_id=transaction_id,
        timestamp=1_700_000_000,
        customer_id="c",
        terminal_id="t",
        amount="1.00",
        currency="EUR",
        channel="pos",
    )
    return ScoringRequest(transaction, transaction.fingerprint(), "correlation")


def scored(transaction_id: str) -> dict[str, Any]:
    return {"status": "scored", "decision": {"transaction_id": transaction_id}, "timings": {"queue_ms": 0.1}}


def reply(batch: Batch, results: list[Any] | None = None, batch_id: str | None = None) -> bytes:
    if results is None:
        results = [scored(request.transaction.transaction_id) for request in batch.requests]
    return orjson.dumps({"batch_id": batch_id or batch.batch_id, "results": results})


@dataclass
class ScriptedTransport:
    """Publishes into a list; the test pushes the replies."""

    published: list[Batch] = field(default_factory=list)
    sealed: list[Batch] = field(default_factory=list)
    replies: queue.Queue[bytes | BaseException] = field(default_factory=queue.Queue)
    sent: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    publish_error: Exception | None = None
    connected: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> None:
        self.connected.set()
        if self.publish_error is not None:
            raise self.publish_error

    def publish(self, batch: Batch) -> None:
        if self.publish_error is not None:
            raise self.publish_error
        self.published.append(batch)
        self.sent.release()

    def seal(self, batch: Batch) -> SealedMessage:
        self.sealed.append(batch)
        return SealedMessage("score", batch.batch_id.encode())

    def wait(self, timeout_seconds: float) -> bytes | None:
        try:
            answer = self.replies.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def next_batch(self, number: int) -> Batch:
        assert self.sent.acquire(timeout=TIMEOUT), "nothing was published"
        return self.published[number]


Make = Callable[..., Dispatcher]


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(max_failures=5, window_seconds=30, open_seconds=15)


@pytest.fixture
def make(breaker: CircuitBreaker) -> Iterator[Make]:
    made: list[Dispatcher] = []

    def build(transport: Any, *, batch_rows: int = 32, patience_seconds: float = 60.0) -> Dispatcher:
        made.append(
            Dispatcher(lambda: transport, breaker=breaker, batch_rows=batch_rows, patience_seconds=patience_seconds)
        )
        return made[-1]

    yield build
    for dispatcher in made:
        dispatcher.close(TIMEOUT)


class Caller(threading.Thread):
    """One client; `results` is what it got."""

    def __init__(self, dispatcher: Dispatcher, ids: list[str], timeout: float = TIMEOUT) -> None:
        super().__init__()
        self._dispatcher, self._ids, self._timeout = dispatcher, ids, timeout
        self.results: list[Any] = []
        self.start()

    def run(self) -> None:
        self.results = dispatch(self._dispatcher, [request_of(name) for name in self._ids], self._timeout)

    def answer(self) -> list[Any]:
        self.join(TIMEOUT)
        assert not self.is_alive()
        return self.results


def test_a_lone_request_is_sent_at_once_and_gets_its_decision(make: Make) -> None:
    dispatcher = make(MemoryTransport(reply))
    [result] = dispatch(dispatcher, [request_of("a")], TIMEOUT)
    assert isinstance(result, Scored)
    assert result.decision == {"transaction_id": "a"}
    assert result.timings == {"queue_ms": 0.1}


def test_nothing_starts_before_the_first_request(make: Make) -> None:
    before = threading.active_count()
    make(MemoryTransport(reply))
    assert threading.active_count() == before


def test_warming_up_connects_ahead_of_the_first_request(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    dispatcher.warm_up()
    assert transport.connected.wait(TIMEOUT)
    caller = Caller(dispatcher, ["a"])
    transport.replies.put(reply(transport.next_batch(0)))
    assert isinstance(caller.answer()[0], Scored)


def test_a_broker_that_is_away_at_start_up_does_not_end_the_dispatcher(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ScriptedTransport(publish_error=StoreUnavailableError("away"))
    dispatcher = make(transport)
    with caplog.at_level(logging.CRITICAL + 1):
        dispatcher.warm_up()
        assert transport.connected.wait(TIMEOUT)
    transport.publish_error = None
    caller = Caller(dispatcher, ["a"])
    transport.replies.put(reply(transport.next_batch(0)))
    assert isinstance(caller.answer()[0], Scored)


def test_what_waits_while_a_message_is_in_flight_goes_out_together(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport, batch_rows=3)
    callers = [Caller(dispatcher, ["0"])]
    first = transport.next_batch(0)
    callers += [Caller(dispatcher, [str(number)]) for number in range(1, 6)]
    wait_until(lambda: len(dispatcher._backlog._pending) == 5)
    assert len(transport.published) == 1
    transport.replies.put(reply(first))
    second = transport.next_batch(1)
    assert len(second.requests) == 3
    transport.replies.put(reply(second))
    transport.replies.put(reply(transport.next_batch(2)))
    assert sorted(caller.answer()[0].decision["transaction_id"] for caller in callers) == list("012345")


def test_the_next_message_goes_out_before_the_answered_callers_wake(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    first_call = dispatcher.submit([request_of("first")], TIMEOUT)
    first = transport.next_batch(0)
    dispatcher.submit([request_of("second")], TIMEOUT)
    awake_at_publish: list[bool] = []
    publish = transport.publish

    def spy(batch: Batch) -> None:
        awake_at_publish.append(first_call.done.is_set())
        publish(batch)

    transport.publish = spy  # type: ignore[method-assign]
    transport.replies.put(reply(first))
    assert dispatcher.collect(first_call)
    assert awake_at_publish == [False]
    transport.replies.put(reply(transport.next_batch(1)))


def test_results_come_in_the_order_of_the_requests_across_messages(make: Make) -> None:
    dispatcher = make(MemoryTransport(reply), batch_rows=4)
    names = [f"t{number}" for number in range(11)]
    results = dispatch(dispatcher, [request_of(name) for name in names], TIMEOUT)
    assert [result.decision["transaction_id"] for result in results if isinstance(result, Scored)] == names


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"status": "conflict"}, ConflictError),
        ({"status": "safe_mode", "reason": "because"}, SafeModeError),
        ({"status": "expired"}, DeadlineError),
        ({"status": "failed", "reason": "x"}, ScoringFailedError),
        ({"status": "unheard of"}, ScoringFailedError),
        ({"status": "scored"}, ScoringFailedError),
        ({"status": "scored", "decision": {"transaction_id": "somebody else's"}}, ScoringFailedError),
        (None, ScoringFailedError),
        (["scored"], ScoringFailedError),
    ],
)
def test_a_result_that_is_no_decision_for_this_request_becomes_its_error(
    make: Make, item: Any, expected: type[Exception]
) -> None:
    dispatcher = make(MemoryTransport(lambda batch: reply(batch, [item])))
    [result] = dispatch(dispatcher, [request_of("a")], TIMEOUT)
    assert isinstance(result, expected)


def test_a_customer_whose_histories_do_not_answer_opens_the_breaker_for_nobody(
    make: Make, breaker: CircuitBreaker
) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    for number in range(20):
        call = dispatcher.submit([request_of(f"t-{number}")], TIMEOUT)
        transport.replies.put(reply(transport.next_batch(number), [{"status": "unavailable"}]))
        (result,) = dispatcher.collect(call)
        assert isinstance(result, HistoriesUnavailableError)
    assert breaker.is_closed()


def test_a_reply_with_too_few_results_fails_its_callers_at_once(make: Make) -> None:
    dispatcher = make(MemoryTransport(lambda batch: reply(batch, [])))
    [result] = dispatch(dispatcher, [request_of("a")], TIMEOUT)
    assert isinstance(result, ScoringFailedError)


def test_replies_to_other_batches_and_gibberish_are_ignored(make: Make) -> None:
    transport = ScriptedTransport()
    caller = Caller(make(transport), ["a"])
    batch = transport.next_batch(0)
    transport.replies.put(reply(batch, batch_id="another"))
    transport.replies.put(b"\x00 not json")
    transport.replies.put(b"[]")
    transport.replies.put(reply(batch))
    transport.replies.put(reply(batch))
    assert isinstance(caller.answer()[0], Scored)


def test_an_unreachable_broker_fails_the_callers_at_once_and_counts_once(make: Make, breaker: CircuitBreaker) -> None:
    dispatcher = make(ScriptedTransport(publish_error=StoreUnavailableError("down")))
    started = time.monotonic()
    results = dispatch(dispatcher, [request_of(name) for name in "abcdefgh"], TIMEOUT)
    assert time.monotonic() - started < 10
    assert all(isinstance(result, QueueUnavailableError) for result in results)
    assert breaker.state is BreakerState.CLOSED
    for _ in range(4):
        dispatch(dispatcher, [request_of("a")], TIMEOUT)
    with pytest.raises(BreakerOpenError):
        dispatch(dispatcher, [request_of("a")], TIMEOUT)


def test_survives_a_publisher_that_raises_anything(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport(publish_error=ZeroDivisionError("bug"))
    dispatcher = make(transport)
    [result] = dispatch(dispatcher, [request_of("a")], TIMEOUT)
    assert isinstance(result, QueueUnavailableError)
    assert "bug" in caplog.text
    transport.publish_error = None
    caller = Caller(dispatcher, ["b"])
    transport.replies.put(reply(transport.next_batch(0)))
    assert isinstance(caller.answer()[0], Scored)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_was_ended_is_replaced_and_costs_only_its_own_callers(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    lost = Caller(dispatcher, ["lost"], timeout=0.2)
    transport.next_batch(0)
    transport.replies.put(SystemExit())
    assert isinstance(lost.answer()[0], DeadlineError)
    wait_until(lambda: not dispatcher._thread.is_running)
    caller = Caller(dispatcher, ["next"])
    transport.replies.put(reply(transport.next_batch(1)))
    assert isinstance(caller.answer()[0], Scored)


def test_a_lost_reply_connection_fails_those_in_flight_at_once(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    caller = Caller(dispatcher, ["a"])
    transport.next_batch(0)
    transport.replies.put(StoreUnavailableError("connection reset"))
    assert isinstance(caller.answer()[0], QueueUnavailableError)
    caller = Caller(dispatcher, ["b"])
    transport.replies.put(reply(transport.next_batch(1)))
    assert isinstance(caller.answer()[0], Scored)


def test_a_missing_reply_ends_at_the_deadline_and_counts_as_one_failure(make: Make, breaker: CircuitBreaker) -> None:
    dispatcher = make(ScriptedTransport())
    for attempt in range(5):
        assert breaker.state is BreakerState.CLOSED, attempt
        started = time.monotonic()
        results = dispatch(dispatcher, [request_of("a"), request_of("b")], 0.05)
        assert 0.045 < time.monotonic() - started < 10
        assert all(isinstance(result, DeadlineError) for result in results)
    assert breaker.state is BreakerState.OPEN


def test_a_late_reply_is_dropped_and_the_next_request_gets_its_own(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    [late] = dispatch(dispatcher, [request_of("a")], 0.02)
    assert isinstance(late, DeadlineError)
    transport.replies.put(reply(transport.next_batch(0)))
    caller = Caller(dispatcher, ["b"])
    transport.replies.put(reply(transport.next_batch(1)))
    assert caller.answer()[0].decision["transaction_id"] == "b"


def test_an_overdue_message_does_not_hold_up_the_next_and_may_still_be_answered(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport, patience_seconds=0.05)
    slow = Caller(dispatcher, ["slow"])
    lost = transport.next_batch(0)
    quick = Caller(dispatcher, ["quick"])
    transport.replies.put(reply(transport.next_batch(1)))
    assert isinstance(quick.answer()[0], Scored)
    transport.replies.put(reply(lost))
    assert isinstance(slow.answer()[0], Scored)


def test_a_request_whose_caller_has_gone_is_not_sent(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    caller = Caller(dispatcher, ["a"])
    first = transport.next_batch(0)
    [gone] = dispatch(dispatcher, [request_of("gone")], 0.01)
    assert isinstance(gone, DeadlineError)
    stays = Caller(dispatcher, ["stays"])
    wait_until(lambda: len(dispatcher._backlog._pending) == 2)
    transport.replies.put(reply(first))
    second = transport.next_batch(1)
    assert [request.transaction.transaction_id for request in second.requests] == ["stays"]
    transport.replies.put(reply(second))
    assert isinstance(caller.answer()[0], Scored)
    assert isinstance(stays.answer()[0], Scored)


def test_the_message_carries_the_latest_deadline_of_its_callers(make: Make) -> None:
    transport = ScriptedTransport()
    caller = Caller(make(transport), ["a"], timeout=2.0)
    batch = transport.next_batch(0)
    assert time.time() * 1000 + 1500 < batch.deadline_ms <= time.time() * 1000 + 2000
    transport.replies.put(reply(batch))
    caller.answer()


def test_closing_answers_what_is_under_way_and_refuses_the_rest(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport)
    flying, waiting = Caller(dispatcher, ["flying"]), None
    first = transport.next_batch(0)
    waiting = Caller(dispatcher, ["waiting"])
    wait_until(lambda: len(dispatcher._backlog._pending) == 1)
    closing = threading.Thread(target=dispatcher.close, args=(TIMEOUT,))
    closing.start()
    wait_until(lambda: dispatcher._backlog._closing)
    with pytest.raises(ShuttingDownError):
        dispatch(dispatcher, [request_of("late")], TIMEOUT)
    transport.replies.put(reply(first))
    transport.replies.put(reply(transport.next_batch(1)))
    closing.join(TIMEOUT)
    assert not closing.is_alive()
    assert isinstance(flying.answer()[0], Scored)
    assert isinstance(waiting.answer()[0], Scored)


def test_works_in_a_forked_child_of_a_process_that_used_it(make: Make) -> None:
    dispatcher = make(MemoryTransport(reply))
    assert isinstance(dispatch(dispatcher, [request_of("parent")], TIMEOUT)[0], Scored)
    child = os.fork()
    if child == 0:
        ok = isinstance(dispatch(dispatcher, [request_of("child")], TIMEOUT)[0], Scored)
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class FaultyTransport:
    """A worker, a broker and a network that do all they can wrong, from a seeded dice."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._due: list[tuple[float, bytes]] = []

    def connect(self) -> None:
        if self._dice.random() < 0.5:
            raise StoreUnavailableError("not yet")

    def publish(self, batch: Batch) -> None:
        roll = self._dice.random()
        if roll < 0.05:
            raise StoreUnavailableError("not sent")
        if roll < 0.10:
            return  # lost
        delay = 0.12 if roll < 0.20 else self._dice.random() * 0.004
        copies = 2 if roll > 0.9 else 1
        for _ in range(copies):
            self._due.append((time.monotonic() + delay, reply(batch)))
        if roll > 0.95:
            self._due.append((time.monotonic(), reply(batch, batch_id="stranger")))
        self._due.sort(key=lambda due: due[0])

    def wait(self, timeout_seconds: float) -> bytes | None:
        if self._dice.random() < 0.02:
            raise StoreUnavailableError("connection lost")
        until = time.monotonic() + timeout_seconds
        while (now := time.monotonic()) < until:
            if self._due and self._due[0][0] <= now:
                return self._due.pop(0)[1]
            time.sleep(0.0005)
        return None


@pytest.mark.parametrize("seed", range(4))
def test_under_faults_every_caller_gets_its_own_answer_or_an_error_within_its_deadline(seed: int) -> None:
    breaker = CircuitBreaker(max_failures=10**9, window_seconds=30, open_seconds=15)
    dispatcher = Dispatcher(lambda: FaultyTransport(seed), breaker=breaker, batch_rows=8, patience_seconds=0.05)
    deadline = 0.1
    problems: list[str] = []
    outcomes: list[str] = []

    def client(number: int) -> None:
        for turn in range(25):
            names = [f"{number}-{turn}-{item}" for item in range(1 + (number + turn) % 3)]
            started = time.monotonic()
            results = dispatch(dispatcher, [request_of(name) for name in names], deadline)
            took = time.monotonic() - started
            if took > deadline + 0.5:  # generous: the machine may be busy
                problems.append(f"waited {took:.3f} s")
            for name, result in zip(names, results, strict=True):
                outcomes.append(type(result).__name__)
                if isinstance(result, Scored) and result.decision["transaction_id"] != name:
                    problems.append(f"{name} got {result.decision}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    dispatcher.close(TIMEOUT)
    assert problems == []
    assert set(outcomes) <= {"Scored", "DeadlineError", "QueueUnavailableError"}
    assert "Scored" in outcomes
    assert dispatcher._backlog._in_flight == {}
    assert not dispatcher._backlog._pending


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.001)


def test_what_would_wait_too_long_behind_the_others_is_refused_at_once(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = make(transport, batch_rows=2)
    first = dispatcher.submit([request_of("a")], TIMEOUT)
    batch = transport.next_batch(0)
    time.sleep(0.05)  # how long a message takes here, as the dispatcher sees it
    transport.replies.put(reply(batch))
    assert isinstance(dispatcher.collect(first)[0], Scored)
    in_flight = dispatcher.submit([request_of("b")], TIMEOUT)
    transport.next_batch(1)
    waiting = dispatcher.submit([request_of(name) for name in "cd"], TIMEOUT)
    with pytest.raises(OverloadedError):
        dispatcher.submit([request_of("e")], 0.1)  # one full message is ahead
    patient = dispatcher.submit([request_of("f")], TIMEOUT)
    for number in (1, 2, 3):
        transport.replies.put(reply(transport.published[number] if number == 1 else transport.next_batch(number)))
    for call in (in_flight, waiting, patient):
        assert all(isinstance(result, Scored) for result in dispatcher.collect(call))


def connected(dispatcher: Dispatcher, transport: ScriptedTransport) -> Dispatcher:
    dispatcher.warm_up()
    assert transport.connected.wait(TIMEOUT)
    return dispatcher


def early_send(dispatcher: Dispatcher, transaction_id: str, timeout: float = TIMEOUT) -> EarlySend:
    early = dispatcher.prepare_early_send(request_of(transaction_id), timeout)
    assert early is not None
    return early


def test_a_message_that_left_with_somebody_else_is_answered_like_any_other(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early = early_send(dispatcher, "a")
    [batch] = transport.sealed
    assert early.message == SealedMessage("score", batch.batch_id.encode())
    early.confirm(True)
    transport.replies.put(reply(batch))
    [result] = dispatcher.collect(early.call)
    assert isinstance(result, Scored)
    assert result.decision == {"transaction_id": "a"}
    assert transport.published == []


def test_a_reply_that_is_there_before_its_sender_says_so_is_not_lost(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early = early_send(dispatcher, "a")
    transport.replies.put(reply(transport.sealed[0]))
    waiting = Caller(dispatcher, ["b"])
    early.confirm(True)
    assert isinstance(dispatcher.collect(early.call)[0], Scored)
    transport.replies.put(reply(transport.next_batch(0)))
    assert isinstance(waiting.answer()[0], Scored)


def test_what_comes_while_a_message_leaves_early_leaves_when_that_one_is_answered(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early = early_send(dispatcher, "a")
    waiting = Caller(dispatcher, ["b"])
    assert not transport.sent.acquire(timeout=0.05)
    early.confirm(True)
    assert not transport.sent.acquire(timeout=0.05)
    transport.replies.put(reply(transport.sealed[0]))
    transport.replies.put(reply(transport.next_batch(0)))
    assert isinstance(waiting.answer()[0], Scored)


def test_a_message_that_was_not_sent_after_all_holds_nobody_up(make: Make, breaker: CircuitBreaker) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early = early_send(dispatcher, "a")
    waiting = Caller(dispatcher, ["b"])
    early.confirm(False)
    transport.replies.put(reply(transport.next_batch(0)))
    assert isinstance(waiting.answer()[0], Scored)
    assert breaker.state is BreakerState.CLOSED


def test_a_late_reply_to_a_message_of_uncertain_fate_is_dropped(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early_send(dispatcher, "a").confirm(False)
    waiting = Caller(dispatcher, ["b"])
    transport.replies.put(reply(transport.sealed[0]))
    transport.replies.put(reply(transport.next_batch(0)))
    assert [result.decision for result in waiting.answer()] == [{"transaction_id": "b"}]


def test_nothing_leaves_early_before_the_first_connection(make: Make) -> None:
    assert make(ScriptedTransport()).prepare_early_send(request_of("a"), TIMEOUT) is None


def test_nothing_leaves_early_while_a_message_is_in_flight(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    waiting = Caller(dispatcher, ["a"])
    batch = transport.next_batch(0)
    assert dispatcher.prepare_early_send(request_of("b"), TIMEOUT) is None
    transport.replies.put(reply(batch))
    waiting.answer()


def test_nothing_leaves_early_while_another_message_is(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early = early_send(dispatcher, "a")
    assert dispatcher.prepare_early_send(request_of("b"), TIMEOUT) is None
    early.confirm(False)
    early_send(dispatcher, "b").confirm(False)


def test_nothing_leaves_early_past_an_open_breaker(make: Make, breaker: CircuitBreaker) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    for _ in range(5):
        breaker.record_failure()
    assert dispatcher.prepare_early_send(request_of("a"), TIMEOUT) is None


def test_nothing_leaves_early_without_a_queue_that_others_reach(make: Make) -> None:
    dispatcher = make(MemoryTransport(reply))
    dispatch(dispatcher, [request_of("a")], TIMEOUT)
    assert dispatcher.prepare_early_send(request_of("b"), TIMEOUT) is None


def test_a_message_that_is_never_answered_ends_at_its_deadline_and_counts_once(
    make: Make, breaker: CircuitBreaker
) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport, patience_seconds=0.02), transport)
    for _ in range(5):
        while (early := dispatcher.prepare_early_send(request_of("a"), 0.05)) is None:
            time.sleep(0.001)  # the one before is still given up
        early.confirm(True)
        assert isinstance(dispatcher.collect(early.call)[0], DeadlineError)
    assert breaker.state is BreakerState.OPEN


def test_closing_waits_for_an_early_message(make: Make) -> None:
    transport = ScriptedTransport()
    dispatcher = connected(make(transport), transport)
    early = early_send(dispatcher, "a")
    closing = threading.Thread(target=dispatcher.close, args=(TIMEOUT,))
    closing.start()
    early.confirm(True)
    transport.replies.put(reply(transport.sealed[0]))
    assert isinstance(dispatcher.collect(early.call)[0], Scored)
    closing.join(TIMEOUT)
    assert dispatcher.prepare_early_send(request_of("b"), TIMEOUT) is None
