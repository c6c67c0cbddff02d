import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
import pytest
from redis import Redis

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ScoringRequest, Undecided
from ml.domain.transaction import Transaction
from ml.features.kernel import FeatureMatrix
from ml.serving.pipeline import BatchReport, ModelSlot, ScoringPipeline
from ml.stores.decisions.decisions import CommitReport, NewDecision, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.decisions.decisions_unrecorded_redis import RedisUnrecordedDecisions
from ml.stores.features.features_memory import MemoryFeatureStore
from tests.seals import DECISION_SEAL
from tests.unit.ml.fixed_model import FixedModel
from tests.unit.web.dispatch.dispatching import dispatch
from web.dispatch.dispatcher import Dispatcher
from web.dispatch.transport_local import LocalTransport
from web.http.errors import ConflictError, HistoriesUnavailableError, QueueUnavailableError, SafeModeError
from web.protection.circuit_breaker import CircuitBreaker
from web.scoring.batch import Batch
from web.scoring.results import Scored

TIMEOUT = 20.0


def request_of(transaction_id: str, *, amount: str = "10") -> ScoringRequest:
    transaction = Transaction(
        transaction_id=transaction_id,
        timestamp=1_700_000_000,
        customer_id="c-1",
        terminal_id="terminal-1",
        amount=amount,
        currency="EUR",
        channel="pos",
    )
    return ScoringRequest(transaction, transaction.fingerprint(), f"corr-{transaction_id}")


class BreakableFeatures(MemoryFeatureStore):
    """Can be cut off, as a Redis of its own can."""

    is_down = False

    def observe(self, transactions: Sequence[Transaction], *, within_seconds: float | None = None) -> FeatureMatrix:
        if self.is_down:
            raise StoreUnavailableError("Redis is unavailable")
        return super().observe(transactions, within_seconds=within_seconds)


class BreakableDecisions(MemoryDecisionStore):
    """Can be cut off, as Redis can."""

    is_down = False

    def commit(self, entries: Sequence[NewDecision | Undecided], reply: Reply) -> CommitReport:
        if self.is_down:
            raise StoreUnavailableError("Redis is unavailable")
        return super().commit(entries, reply)


@dataclass
class Place:
    """A process that scores by itself, on stores in memory."""

    decisions: BreakableDecisions = field(default_factory=BreakableDecisions)
    features: BreakableFeatures = field(default_factory=BreakableFeatures)
    slot: ModelSlot = field(default_factory=lambda: ModelSlot(FixedModel()))
    blocked: str | None = None
    concluded: list[BatchReport] = field(default_factory=list)
    conclude: Callable[[BatchReport, float], None] | None = None
    recorded: bool = True

    def transport(self) -> LocalTransport:
        pipeline = ScoringPipeline(
            features=self.features,
            decisions=self.decisions,
            slot=self.slot,
            safe_mode=lambda: self.blocked,
            unrecorded=None if self.recorded else RedisUnrecordedDecisions(Redis(port=1), DECISION_SEAL),
        )
        follow = self.conclude or (lambda report, _seconds: self.concluded.append(report))
        return LocalTransport(pipeline, follow, recorded=self.recorded)

    @contextmanager
    def dispatcher(self) -> Iterator[Dispatcher]:
        breaker = CircuitBreaker(max_failures=5, window_seconds=30, open_seconds=15)
        dispatcher = Dispatcher(self.transport, breaker=breaker, batch_rows=4, patience_seconds=TIMEOUT)
        yield dispatcher
        dispatcher.close(TIMEOUT)


@pytest.fixture
def place() -> Place:
    return Place()


def test_scores_records_and_answers_in_order(place: Place) -> None:
    with place.dispatcher() as dispatcher:
        results = dispatch(dispatcher, [request_of(f"t-{number}") for number in range(10)], TIMEOUT)
    assert [result.decision["transaction_id"] for result in results] == [f"t-{number}" for number in range(10)]
    assert set(results[0].timings) == {"queue_ms", "features_ms", "model_ms"}
    assert [orjson.loads(event)["decision"]["transaction_id"] for event in place.decisions.events] == [
        f"t-{number}" for number in range(10)
    ]
    assert place.decisions.replies == {}
    assert max(len(report.decisions) for report in place.concluded) <= 4


def test_a_retry_gets_the_recorded_decision_and_other_content_is_a_conflict(place: Place) -> None:
    with place.dispatcher() as dispatcher:
        [first] = dispatch(dispatcher, [request_of("t-1")], TIMEOUT)
        [again] = dispatch(dispatcher, [request_of("t-1")], TIMEOUT)
        [other] = dispatch(dispatcher, [request_of("t-1", amount="11")], TIMEOUT)
    assert isinstance(first, Scored)
    assert isinstance(again, Scored)
    assert again.decision == first.decision
    assert isinstance(other, ConflictError)
    assert len(place.decisions.events) == 1


def test_every_batch_is_concluded_with_its_report(place: Place) -> None:
    with place.dispatcher() as dispatcher:
        dispatch(dispatcher, [request_of("t-1")], TIMEOUT)
        dispatch(dispatcher, [request_of("t-2")], TIMEOUT)
    # The first batch is concluded before the second is scored; the second perhaps not yet.
    assert place.concluded[0].correlation_ids == ("corr-t-1",)
    assert place.concluded[0].commit is not None
    assert place.concluded[0].commit.doorbells == ("explain", "publish")


def test_what_follows_an_answer_may_fail_without_harm(place: Place) -> None:
    def fail(_report: BatchReport, _seconds: float) -> None:
        raise RuntimeError("no doorbell")

    place.conclude = fail
    with place.dispatcher() as dispatcher:
        for number in range(3):
            assert isinstance(dispatch(dispatcher, [request_of(f"t-{number}")], TIMEOUT)[0], Scored)


def test_an_empty_slot_and_safe_mode_refuse(place: Place) -> None:
    model, place.slot.current = place.slot.current, None
    with place.dispatcher() as dispatcher:
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], SafeModeError)
        place.slot.current, place.blocked = model, "drill"
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], SafeModeError)
        place.blocked = None
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], Scored)


def test_without_redis_requests_fail_at_once_and_then_go_on(place: Place) -> None:
    with place.dispatcher() as dispatcher:
        place.features.is_down = place.decisions.is_down = True
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], QueueUnavailableError)
        place.features.is_down = place.decisions.is_down = False
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], Scored)


def test_without_histories_requests_are_refused_at_once_and_then_go_on(place: Place) -> None:
    with place.dispatcher() as dispatcher:
        place.features.is_down = True
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], HistoriesUnavailableError)
        place.features.is_down = False
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], Scored)


def test_an_expired_batch_is_not_scored(place: Place) -> None:
    transport = place.transport()
    transport.publish(Batch("late", (request_of("t-1"),), deadline_ms=1))
    transport.publish(Batch("next", (request_of("t-2"),), deadline_ms=int(time.time() * 1000 + 60_000)))
    reply = transport.wait(TIMEOUT)
    assert reply is not None
    assert orjson.loads(reply)["batch_id"] == "next"
    assert transport.wait(0.001) is None
    assert place.decisions.find("t-1") is None


def test_without_records_it_answers_and_keeps_nothing(place: Place) -> None:
    place.recorded = False
    with place.dispatcher() as dispatcher:
        assert isinstance(dispatch(dispatcher, [request_of("t-1")], TIMEOUT)[0], Scored)
    assert place.decisions.find("t-1") is None
    assert place.decisions.events == []
