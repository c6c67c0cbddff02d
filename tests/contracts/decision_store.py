"""What every decision store must do."""

import orjson

from ml.domain.scoring_batch import ResultStatus, Undecided
from ml.domain.transaction import fingerprint_of
from ml.stores.decisions.decisions import CommitOutcome, CommitReport, DecisionStore, NewDecision, Reply


def new_decision(transaction_id: str, *, fingerprint: str | None = None, score: float = 0.5) -> NewDecision:
    decision = orjson.dumps({"transaction_id": transaction_id, "score": score})
    wire = {"transaction_id": transaction_id, "customer_id": "c"}
    fingerprint, transaction = fingerprint or fingerprint_of(wire), orjson.dumps(wire)
    return NewDecision(transaction_id, fingerprint, decision, transaction, event=orjson.dumps({"id": transaction_id}))


class DecisionStoreContract:
    """Subclasses give the store as `store` and read replies with `replies`."""

    store: DecisionStore

    def replies(self, address: str) -> list[dict]:
        raise NotImplementedError

    def commit(self, *entries: NewDecision | Undecided, batch_id: str = "b-1") -> CommitReport:
        return self.store.commit(entries, Reply("shrike:reply:test", batch_id, {"queue_ms": 1.0}))

    def test_records_and_answers_in_order(self) -> None:
        report = self.commit(new_decision("t-1"), Undecided(ResultStatus.FAILED, "no"), new_decision("t-2"))
        (reply,) = self.replies("shrike:reply:test")
        assert reply["batch_id"] == "b-1"
        assert [result["status"] for result in reply["results"]] == ["scored", "failed", "scored"]
        assert reply["results"][2]["decision"]["transaction_id"] == "t-2"
        assert reply["results"][0]["timings"] == {"queue_ms": 1.0}
        assert report.outcomes == (CommitOutcome.RECORDED, CommitOutcome.PASSED_ON, CommitOutcome.RECORDED)
        assert report.doorbells == ("explain", "publish")

    def test_repeats_the_first_decision_for_the_same_content(self) -> None:
        self.commit(new_decision("t-1", score=0.25))
        report = self.commit(new_decision("t-1", score=0.75))
        assert self.replies("shrike:reply:test")[-1]["results"][0]["decision"]["score"] == 0.25
        assert report.outcomes == (CommitOutcome.REPEATED,)

    def test_reports_a_conflict_for_other_content(self) -> None:
        self.commit(new_decision("t-1"))
        report = self.commit(new_decision("t-1", fingerprint="0" * 32))
        assert self.replies("shrike:reply:test")[-1]["results"] == [{"status": "conflict"}]
        assert report.outcomes == (CommitOutcome.CONFLICT,)

    def test_decides_once_within_one_batch(self) -> None:
        report = self.commit(new_decision("t-1", score=0.1), new_decision("t-1", score=0.9))
        assert report.outcomes == (CommitOutcome.RECORDED, CommitOutcome.REPEATED)
        results = self.replies("shrike:reply:test")[-1]["results"]
        assert [result["decision"]["score"] for result in results] == [0.1, 0.1]

    def test_returns_the_reply_that_has_no_address(self) -> None:
        undecided = Undecided(ResultStatus.FAILED, "no")
        report = self.store.commit([new_decision("t-1"), undecided], Reply(None, "b-1", {"queue_ms": 1.0}))
        assert report.reply is not None
        answer = orjson.loads(report.reply)
        assert answer["batch_id"] == "b-1"
        assert [result["status"] for result in answer["results"]] == ["scored", "failed"]
        assert answer["results"][0]["decision"] == {"transaction_id": "t-1", "score": 0.5}
        assert report.outcomes == (CommitOutcome.RECORDED, CommitOutcome.PASSED_ON)
        assert self.store.find("t-1") is not None

    def test_returns_no_reply_that_went_to_its_address(self) -> None:
        assert self.commit(new_decision("t-1")).reply is None

    def test_finds_what_was_recorded(self) -> None:
        self.commit(new_decision("t-1", score=0.3))
        record = self.store.find("t-1")
        assert record is not None
        assert record.decision == {"transaction_id": "t-1", "score": 0.3}
        assert record.transaction["customer_id"] == "c"
        assert record.fingerprint == fingerprint_of(record.transaction)
        assert self.store.find("t-9") is None
        assert [found is None for found in self.store.find_many(["t-9", "t-1"])] == [True, False]
        assert self.store.find_many([]) == []
