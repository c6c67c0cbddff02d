from collections.abc import Callable, Sequence

import numpy as np
import orjson
import pytest
from redis import Redis

from ml.delivery.sinks import explanation_record
from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ResultStatus, ScoringBatch, ScoringRequest
from ml.domain.transaction import Transaction
from ml.features.kernel import FeatureMatrix
from ml.features.schema import FEATURE_COUNT
from ml.model.terms import TERMS
from ml.policy.safe_mode_rules import SafeModeRules
from ml.serving.pipeline import BatchReport, ModelSlot, ScoringPipeline
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.decisions.decisions_unrecorded_redis import RedisUnrecordedDecisions
from ml.stores.features.features import PartlyObservedError
from ml.stores.features.features_memory import MemoryFeatureStore
from tests.seals import DECISION_SEAL
from tests.unit.ml.fixed_model import FixedModel

NOW_MS = 1_800_000_000_000


class PartOfAStore(MemoryFeatureStore):
    """Does not answer for some customers; `on_wait` is called while it is asked."""

    def __init__(self, *silent: str, on_wait: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._silent = set(silent)
        self._on_wait = on_wait
        self.within_seconds: list[float | None] = []

    def observe(self, transactions: Sequence[Transaction], *, within_seconds: float | None = None) -> FeatureMatrix:
        self.within_seconds.append(within_seconds)
        self._on_wait()
        rows = [row for row, item in enumerate(transactions) if item.customer_id not in self._silent]
        if not rows:
            raise StoreUnavailableError("nobody answers")
        matrix = super().observe([transactions[row] for row in rows])
        if len(rows) < len(transactions):
            raise PartlyObservedError("somebody does not answer", rows=rows, matrix=matrix)
        return matrix


def transaction(transaction_id: str, *, amount: str = "10", customer_id: str = "c-1") -> Transaction:
    return Transaction(
        transaction_id=transaction_id,
        timestamp=NOW_MS / 1000,
        customer_id=customer_id,
        terminal_id="terminal-1",
        amount=amount,
        currency="EUR",
        channel="pos",
    )


class TestScoring:
    @pytest.fixture(autouse=True)
    def _pipeline(self) -> None:
        self.model = FixedModel()
        self.decisions = MemoryDecisionStore()
        self.slot = ModelSlot(self.model)
        self.blocked: str | None = None
        self.now_ms = NOW_MS
        self.pipeline = ScoringPipeline(
            features=MemoryFeatureStore(),
            decisions=self.decisions,
            slot=self.slot,
            safe_mode=lambda: self.blocked,
            now_ms=lambda: NOW_MS,
        )

    def score(
        self,
        *transactions: Transaction,
        deadline_ms: int = NOW_MS + 250,
        reply_to: str | None = "reply",
        recorded: bool = True,
    ) -> BatchReport:
        requests = tuple(
            ScoringRequest(item, item.fingerprint(), f"corr-{item.transaction_id}") for item in transactions
        )
        return self.pipeline.score(ScoringBatch("b-1", reply_to, deadline_ms, NOW_MS - 2, requests, recorded=recorded))

    def results(self) -> list[dict]:
        return self.decisions.replies["reply"][-1]["results"]

    def test_answers_in_order_with_decision_reasons_and_timings(self) -> None:
        report = self.score(transaction("t-1"), transaction("t-2"))
        first, second = self.results()
        assert [first["decision"]["transaction_id"], second["decision"]["transaction_id"]] == ["t-1", "t-2"]
        assert first["decision"]["decision"] == "review"
        assert first["decision"]["threshold"] == {"review": 0.3, "decline": 0.8}
        assert first["decision"]["reasons"][0]["contribution"] == 1.0
        assert first["timings"]["queue_ms"] == 2.0
        assert report.outcomes() == {"scored": 2}
        assert report.correlation_ids == ("corr-t-1", "corr-t-2")

    def test_a_batch_that_its_own_process_waits_for_is_answered_in_the_report(self) -> None:
        report = self.score(transaction("t-1"), reply_to=None)
        assert report.commit is not None
        assert report.commit.reply is not None
        assert orjson.loads(report.commit.reply)["results"][0]["decision"]["transaction_id"] == "t-1"
        assert self.decisions.replies == {}
        assert len(self.decisions.events) == 1

    def test_a_batch_that_asks_for_no_record_is_recorded_all_the_same_unless_this_process_does_without_too(
        self,
    ) -> None:
        self.score(transaction("t-1"), recorded=False)
        assert self.decisions.find("t-1") is not None

    def test_a_process_without_records_answers_and_counts_and_records_nothing(self) -> None:
        self.pipeline = ScoringPipeline(
            features=MemoryFeatureStore(),
            decisions=self.decisions,
            slot=self.slot,
            safe_mode=lambda: self.blocked,
            unrecorded=RedisUnrecordedDecisions(Redis(port=1), DECISION_SEAL),
            now_ms=lambda: NOW_MS,
        )
        report = self.score(transaction("t-1"), transaction("t-2"), reply_to=None, recorded=False)
        assert report.commit is not None
        assert report.commit.reply is not None
        assert [item["status"] for item in orjson.loads(report.commit.reply)["results"]] == ["scored", "scored"]
        assert report.outcomes() == {"scored": 2}
        assert report.correlation_ids == ("corr-t-1", "corr-t-2")
        assert report.commit.doorbells == ()
        assert self.decisions.events == []
        self.score(transaction("t-3"))
        assert self.decisions.find("t-3") is not None

    def test_the_outbox_event_holds_what_explaining_and_publishing_need(self) -> None:
        self.score(transaction("t-1"))
        event = orjson.loads(self.decisions.events[0])
        assert event["transaction"]["customer_id"] == "c-1"
        assert event["decision"]["model_version"] == "v-test"
        assert (event["correlation_id"], event["model"]) == ("corr-t-1", {"version": "v-test", "hash": "hash"})
        found = event["findings"]
        assert len(found["vector"]) == len(found["contributions"]) == FEATURE_COUNT
        stored = explanation_record(event)["explanation"]
        assert stored["terms"] == dict.fromkeys(TERMS, -0.5)
        assert stored["sequence"]["at"] == [NOW_MS // 1000]
        assert stored["sequence"]["amount"] == [10.0]

    def use(self, features: MemoryFeatureStore) -> None:
        self.pipeline = ScoringPipeline(
            features=features,
            decisions=self.decisions,
            slot=self.slot,
            safe_mode=lambda: self.blocked,
            now_ms=lambda: self.now_ms,
        )

    def test_histories_that_do_not_answer_cost_their_own_transactions_only(self) -> None:
        self.use(PartOfAStore("c-2"))
        report = self.score(
            transaction("t-1"), transaction("t-2", customer_id="c-2"), transaction("t-3", customer_id="c-3")
        )
        assert [item["status"] for item in self.results()] == ["scored", "unavailable", "scored"]
        assert [item["decision"]["transaction_id"] for item in self.results()[::2]] == ["t-1", "t-3"]
        assert report.outcomes() == {"scored": 2, "unavailable": 1}
        assert [decision.transaction_id for decision in report.decisions] == ["t-1", "t-3"]
        assert report.correlation_ids == ("corr-t-1", "corr-t-3")
        assert self.decisions.find("t-2") is None
        assert len(self.decisions.events) == 2

    def test_the_rules_of_safe_mode_too_decide_only_what_the_histories_know(self) -> None:
        self.pipeline = ScoringPipeline(
            features=PartOfAStore("c-2"),
            decisions=self.decisions,
            slot=self.slot,
            safe_mode=lambda: "a test",
            rules=SafeModeRules(approve_up_to=50, decline_from=1000),
            now_ms=lambda: NOW_MS,
        )
        self.score(transaction("t-1", customer_id="c-2"), transaction("t-2"))
        assert [item["status"] for item in self.results()] == ["unavailable", "scored"]

    def test_a_feature_store_that_does_not_answer_at_all_refuses_and_leaves_no_caller_waiting(self) -> None:
        self.use(PartOfAStore("c-1"))
        report = self.score(transaction("t-1"), transaction("t-2"))
        assert [item["status"] for item in self.results()] == ["unavailable", "unavailable"]
        assert report.outcomes() == {"unavailable": 2}
        assert self.decisions.events == []

    def test_nobody_is_refused_who_has_gone(self) -> None:
        def pass_time() -> None:
            self.now_ms += 250

        self.use(PartOfAStore("c-1", on_wait=pass_time))
        with pytest.raises(StoreUnavailableError):
            self.score(transaction("t-1"))
        assert self.decisions.replies == {}

    def test_the_histories_have_half_of_the_time_that_is_left(self) -> None:
        features = PartOfAStore()
        self.use(features)
        self.score(transaction("t-1"), deadline_ms=NOW_MS + 250)
        assert features.within_seconds == [0.125]

    def test_shows_while_it_waits_for_a_store(self) -> None:
        seen: list[bool] = []
        self.use(PartOfAStore("c-2", on_wait=lambda: seen.append(self.pipeline.waits_for_store)))
        self.score(transaction("t-1"))
        self.score(transaction("t-2", customer_id="c-2"))
        assert seen == [True, True]
        assert not self.pipeline.waits_for_store

    def test_a_retry_that_overtook_its_first_copy_gets_the_committed_decision_and_counts_once(self) -> None:
        self.score(transaction("t-1"))
        first = self.results()[0]["decision"]
        self.model.score = 0.99
        report = self.score(transaction("t-1"))
        assert self.results()[0]["decision"] == first
        assert report.outcomes() == {"replayed": 1}
        assert report.decisions == ()
        assert len(self.decisions.events) == 1
        np.testing.assert_array_equal(self.model.seen[0], self.model.seen[1])

    def test_two_copies_in_one_batch_are_decided_once(self) -> None:
        report = self.score(transaction("t-1"), transaction("t-1"))
        first, second = self.results()
        assert first["decision"] == second["decision"]
        assert report.outcomes() == {"scored": 1, "replayed": 1}
        assert [decision.transaction_id for decision in report.decisions] == ["t-1"]
        np.testing.assert_array_equal(*self.model.seen[0])

    def test_other_content_under_the_same_id_is_a_conflict(self) -> None:
        self.score(transaction("t-1"))
        report = self.score(transaction("t-1", amount="11"))
        assert self.results() == [{"status": "conflict"}]
        assert report.outcomes() == {"conflict": 1}
        assert report.decisions == ()

    def test_the_record_and_the_event_hold_the_same_json(self) -> None:
        report = self.score(transaction("t-1"))
        record = self.decisions.find("t-1")
        assert record is not None
        assert record.decision_json == orjson.dumps(report.decisions[0].wire())
        assert record.decision_json in self.decisions.events[0]
        assert record.transaction_json in self.decisions.events[0]

    def test_an_expired_batch_is_dropped_without_work_or_answer(self) -> None:
        report = self.score(transaction("t-1"), deadline_ms=NOW_MS)
        assert report.outcomes() == {ResultStatus.EXPIRED: 1}
        assert self.decisions.replies == {}
        assert self.model.seen == []

    def test_safe_mode_answers_with_its_reason_and_counts_nothing(self) -> None:
        self.blocked = "signature does not match"
        report = self.score(transaction("t-1"))
        assert self.results() == [{"status": "safe_mode", "reason": "signature does not match"}]
        assert report.outcomes() == {"safe_mode": 1}
        assert self.decisions.events == []

    def test_without_a_model_nothing_is_scored(self) -> None:
        self.slot.current = None
        self.score(transaction("t-1"))
        assert self.results() == [{"status": "safe_mode", "reason": "no model is loaded"}]

    def test_a_swapped_model_answers_the_next_batch(self) -> None:
        self.score(transaction("t-1"))
        self.slot.current = FixedModel(score=0.9, version="v-next")
        self.score(transaction("t-2"))
        decision = self.results()[0]["decision"]
        assert (decision["model_version"], decision["decision"]) == ("v-next", "decline")

    def test_a_score_that_is_no_number_is_never_approved(self) -> None:
        self.model.score = float("nan")
        self.score(transaction("t-1"))
        result = self.results()[0]
        assert result["status"] == "failed"
        assert self.decisions.events == []
