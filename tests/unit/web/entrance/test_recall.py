import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import DecisionRecord, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.placements.placements import Placement
from security.admission.admission import Admission, AdmissionOutcome
from tests.contracts.decision_store import new_decision
from web.entrance.batcher import AdmissionResult
from web.entrance.recall import RecallSource, ShardRecall
from web.http.errors import BreakerOpenError, QueueUnavailableError
from web.protection.circuit_breaker import BreakerState, CircuitBreaker

LATE = time.monotonic() + 3_600
ADMITTED = Admission(AdmissionOutcome.ADMITTED)


class Records(MemoryDecisionStore):
    """A shard's records that count how often they are asked."""

    def __init__(self, *names: str, reachable: bool = True) -> None:
        super().__init__()
        self.commit([new_decision(name) for name in names], Reply("r", "b", {}))
        self.reachable = reachable
        self.asked: list[list[str]] = []

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        self.asked.append(list(transaction_ids))
        if not self.reachable:
            raise StoreUnavailableError("dead")
        return super().find_many(transaction_ids)


def source(records: Records) -> RecallSource:
    return RecallSource(records, CircuitBreaker(max_failures=2, window_seconds=30, open_seconds=15))


def result(**placements: Placement) -> AdmissionResult:
    return AdmissionResult(ADMITTED, {}, placements)


def test_only_repeated_transactions_are_asked_for_and_each_shard_once() -> None:
    one, two = Records("a", "b"), Records()
    recall = ShardRecall({"s1": source(one), "s2": source(two)})
    completed = recall.complete(
        result(a=Placement("s1", False), b=Placement("s1", False), c=Placement("s1", True), d=Placement("s2", False)),
        deadline=LATE,
    )
    assert set(completed.records) == {"a", "b"}
    assert (one.asked, two.asked) == ([["a", "b"]], [["d"]])


def test_an_admission_of_new_transactions_asks_no_shard() -> None:
    records = Records()
    first = result(a=Placement("s1", True))
    assert ShardRecall({"s1": source(records)}).complete(first, deadline=LATE) is first
    assert records.asked == []


def test_a_silent_shard_fails_its_own_transactions_and_after_a_while_is_not_asked() -> None:
    dead, alive = Records(reachable=False), Records("b")
    sources = {"s1": source(dead), "s2": source(alive)}
    recall = ShardRecall(sources)
    seen = result(a=Placement("s1", False), b=Placement("s2", False))
    for _ in range(2):
        records = recall.complete(seen, deadline=LATE).records
        assert isinstance(records["a"], QueueUnavailableError)
        assert isinstance(records["b"], DecisionRecord)
    assert sources["s1"].breaker.state is BreakerState.OPEN
    assert isinstance(recall.complete(seen, deadline=LATE).records["a"], BreakerOpenError)
    assert len(dead.asked) == 2


def test_a_shard_that_this_process_does_not_know_is_unavailable() -> None:
    records = ShardRecall({}).complete(result(a=Placement("s1", False)), deadline=LATE).records
    assert isinstance(records["a"], QueueUnavailableError)


def test_records_that_came_with_the_admission_are_not_asked_for_again() -> None:
    asked = Records()
    record = Records("a").find("a")
    if record is None:
        pytest.fail("the record is missing")
    known = AdmissionResult(ADMITTED, {"a": record}, {"a": Placement("s1", False)})
    assert ShardRecall({"s1": source(asked)}).complete(known, deadline=LATE).records == {"a": record}
    assert asked.asked == []


def test_silent_shards_and_their_disks_share_the_deadline_of_the_request() -> None:
    may_answer = threading.Event()
    waits = {name: source(Records(name)) for name in ("s1", "s2")}
    silent = {name: replace(each, wait_until_safe=may_answer.wait) for name, each in waits.items()}
    seen = result(s1=Placement("s1", False), s2=Placement("s2", False))
    completed = ShardRecall(silent).complete(seen, deadline=time.monotonic() + 0.5)  # it ends while both are silent
    assert all(isinstance(completed.records[name], QueueUnavailableError) for name in ("s1", "s2"))
    may_answer.set()


def test_a_request_whose_time_is_over_asks_no_shard_and_blames_none() -> None:
    records = Records("a")
    late = source(records)
    completed = ShardRecall({"s1": late}).complete(result(a=Placement("s1", False)), deadline=time.monotonic() - 1)
    assert isinstance(completed.records["a"], QueueUnavailableError)
    assert records.asked == []
    assert late.breaker.state is BreakerState.CLOSED
