import base64
import os
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from ml.delivery.reconciliation import repaired_event
from ml.delivery.sinks import ExplanationSink, LabelSink, PublicationSink
from ml.domain.label import Label
from ml.domain.transaction import Transaction
from ml.features.schema import FEATURE_COUNT, FEATURE_NAMES
from ml.stores.decisions.decisions import DecisionRecord, NewDecision, PartlyReadError, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.explanations.explanations_memory import MemoryExplanationStore
from ml.stores.features.features import AppliedLabel, PartlyAppliedError
from ml.stores.features.features_memory import MemoryFeatureStore
from ml.stores.labels.labels_memory import MemoryLabelStore
from ml.stores.outbox.outbox import OutboxEntry
from ml.stores.publications.publications import Publication
from ml.stores.publications.publications_memory import MemoryPublicationLog
from ml.stores.refused import Refused
from security.messages.message_signer import MessageSigner
from tests.seals import EVENT_SEAL, STRANGERS_EVENT_SEAL

TIME = 1_800_000_000


def transaction(transaction_id: str, *, at: int = TIME) -> Transaction:
    return Transaction(
        transaction_id=transaction_id,
        timestamp=at,
        customer_id="c-1",
        terminal_id="terminal-1",
        amount="10",
        currency="EUR",
        channel="pos",
    )


def event(transaction_id: str) -> dict[str, Any]:
    return {
        "transaction": transaction(transaction_id).wire(),
        "decision": {
            "transaction_id": transaction_id,
            "decision": "approve",
            "score": 0.1,
            "scored_at": "2027-01-15T08:00:00.000Z",
            "model_version": "v",
        },
        "fingerprint": "f" * 32,
        "correlation_id": f"corr-{transaction_id}",
        "findings": {
            "vector": [1.0] * FEATURE_COUNT,
            "contributions": [0.5] * FEATURE_COUNT,
            "terms": [0.1, 0.2, 0.3, 0.4],
            "bias": -2.0,
            "steps": [-6.0, -5.0],
            "log_amounts": [2.397895],
            "log_gap_hours": [3.0],
            "reconstruction": [1, 0, 2, 2.5, 3.5, 4.5, 0.5, 0.3, 0.1],
            "rarity": {"anomaly": 0.99, "autoencoder": 0.5},
        },
        "model": {"version": "v", "hash": "h"},
    }


def entry(transaction_id: str, body: bytes) -> OutboxEntry:
    """Returns an entry with a sealed body."""
    return OutboxEntry(f"{transaction_id}-0", transaction_id, EVENT_SEAL.close(transaction_id, body), deliveries=1)


def entries(*names: str) -> list[OutboxEntry]:
    return [entry(name, orjson.dumps(event(name))) for name in names]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"{}", b'{"transaction": {}, "decision": 1}'])
@pytest.mark.parametrize("kind", ["explain", "publish"])
def test_a_malformed_entry_is_refused_and_its_neighbours_are_delivered(kind: str, body: bytes) -> None:
    store, log = MemoryExplanationStore(), MemoryPublicationLog()
    sink = (
        ExplanationSink(store, EVENT_SEAL)
        if kind == "explain"
        else PublicationSink(log, EVENT_SEAL, topic_scored="s", topic_raw="r")
    )
    good = entries("a", "b")
    refusals = sink.write([good[0], entry("bad", body), good[1]])
    assert [refusal.entry.transaction_id for refusal in refusals] == ["bad"]
    delivered = store.existing(["a", "b"]) if kind == "explain" else {item.event_id[0] for item in log.published}
    assert delivered == {"a", "b"}


def test_the_explanation_holds_the_decision_and_every_number_behind_it() -> None:
    store = MemoryExplanationStore()
    ExplanationSink(store, EVENT_SEAL).write(entries("a"))
    record = store.find("a")
    assert record is not None
    assert (record["decision"], record["customer_id"], record["correlation_id"]) == ("approve", "c-1", "corr-a")
    explanation = record["explanation"]
    assert explanation["vector"] == dict.fromkeys(FEATURE_NAMES, 1.0)
    assert explanation["terms"] == {"sequence": 0.1, "anomaly": 0.2, "autoencoder": 0.3, "novelty": 0.4}
    assert explanation["sequence"]["amount"] == [10.0]
    assert explanation["reconstruction"]["features"] == [FEATURE_NAMES[place] for place in (1, 0, 2)]


@pytest.mark.parametrize(
    "damage",
    [
        {"reconstruction": [1e9] * 9},
        {"reconstruction": []},
        {"log_amounts": [1e6]},
        {"log_gap_hours": [0.0, 1e6]},
        {"terms": None},
        {"vector": [1.0]},
        {"rarity": 3},
    ],
)
def test_findings_that_make_no_sense_are_refused_alone(damage: dict[str, Any]) -> None:
    store, broken = MemoryExplanationStore(), event("bad")
    broken["findings"] |= damage
    refusals = ExplanationSink(store, EVENT_SEAL).write([entry("bad", orjson.dumps(broken)), *entries("a")])
    assert [refusal.entry.transaction_id for refusal in refusals] == ["bad"]
    assert store.existing(["a"]) == {"a"}


@pytest.mark.parametrize("forge", [lambda body: body, lambda body: STRANGERS_EVENT_SEAL.close("a", body)])
@pytest.mark.parametrize("kind", ["explain", "publish"])
def test_an_entry_that_nobody_sealed_is_refused_and_nothing_of_it_is_delivered(
    kind: str, forge: Callable[[bytes], bytes]
) -> None:
    store, log = MemoryExplanationStore(), MemoryPublicationLog()
    sink = (
        ExplanationSink(store, EVENT_SEAL)
        if kind == "explain"
        else PublicationSink(log, EVENT_SEAL, topic_scored="s", topic_raw="r")
    )
    forged = OutboxEntry("1-0", "a", forge(orjson.dumps(event("a"))), deliveries=1)
    moved = OutboxEntry("2-0", "b", entries("a")[0].body, deliveries=1)
    refusals = sink.write([forged, moved])
    assert [refusal.entry.entry_id for refusal in refusals] == ["1-0", "2-0"]
    assert all("message_" in refusal.reason for refusal in refusals)
    assert store.find("a") is None
    assert store.find("b") is None
    assert log.published == []


def test_a_repaired_event_is_stored_without_an_explanation() -> None:
    store, original = MemoryExplanationStore(), event("a")
    parts = (orjson.dumps(original[name]) for name in ("decision", "transaction"))
    record = DecisionRecord("f" * 32, *parts)
    assert ExplanationSink(store, EVENT_SEAL).write([entry("a", repaired_event(record))]) == []
    assert store.find("a")["explanation"] is None


def test_an_entry_is_published_twice_under_its_customer_with_stable_event_ids() -> None:
    log = MemoryPublicationLog()
    sink = PublicationSink(log, EVENT_SEAL, topic_scored="scored", topic_raw="raw")
    for _ in range(2):
        sink.write(entries("a"))
    assert {(item.topic, item.key, item.event_id) for item in log.published} == {
        ("scored", "c-1", "a:scored"),
        ("raw", "c-1", "a:raw"),
    }


class PickyLog(MemoryPublicationLog):
    """Refuses every raw event of transaction b."""

    def publish(self, publications: Sequence[Publication]) -> dict[int, Refused]:
        super().publish(publications)
        return {place: Refused("too large") for place, item in enumerate(publications) if item.event_id == "b:raw"}


def test_an_event_that_kafka_refuses_refuses_its_own_entry() -> None:
    sink = PublicationSink(PickyLog(), EVENT_SEAL, topic_scored="scored", topic_raw="raw")
    refusals = sink.write(entries("a", "b", "c"))
    assert [(refusal.entry.transaction_id, refusal.reason) for refusal in refusals] == [("b", "too large")]


class TestLabelSink:
    @pytest.fixture(autouse=True)
    def _sink(self) -> None:
        self.signer = MessageSigner(base64.b64encode(os.urandom(32)))
        self.labels, self.features = MemoryLabelStore(), MemoryFeatureStore()
        self.decisions, self.explanations = MemoryDecisionStore(), MemoryExplanationStore()
        self.sink = LabelSink(
            signer=self.signer,
            labels=self.labels,
            features=self.features,
            decisions=self.decisions,
            explanations=self.explanations,
        )

    def label(self, transaction_id: str) -> Label | None:
        found = self.labels.find_many([transaction_id])
        return found[transaction_id].label if found else None

    def message(self, label: Label, *, signer: MessageSigner | None = None) -> OutboxEntry:
        payload = orjson.dumps({"label": label.wire(), "correlation_id": "corr"}).decode()
        signature = (signer or self.signer).sign("labels.apply", label.transaction_id, 0, payload)
        return entry(label.transaction_id, orjson.dumps({"payload": payload, "signature": signature}))

    def answer(self, paid: Transaction) -> None:
        self.features.observe([paid])
        record = NewDecision(paid.transaction_id, paid.fingerprint(), b"{}", orjson.dumps(paid.wire()), b"{}")
        self.decisions.commit([record], Reply("reply", "b", {}))

    def fraud(self, transaction_id: str) -> Label:
        return Label(transaction_id=transaction_id, label="fraud", source="chargeback", labelled_at=TIME + 60)

    def terminal_frauds(self) -> float:
        matrix = self.features.observe([transaction("later", at=TIME + 3600)])
        return float(matrix.vectors[0, FEATURE_NAMES.index("terminal_frauds_7d")])

    def test_stores_a_label_and_lets_the_features_know(self) -> None:
        self.answer(transaction("a"))
        assert self.sink.write([self.message(self.fraud("a"))]) == []
        assert self.label("a") == self.fraud("a")
        assert self.terminal_frauds() == 1.0
        assert self.sink.unmatched == 0

    @pytest.mark.parametrize(("explanation", "ordinary"), [(1.2, 1.0), (2.7, 0.0), (None, 1.0)])
    def test_the_vector_of_a_fraud_decides_whether_it_was_ordinary(
        self, explanation: float | None, ordinary: float
    ) -> None:
        """Without a stored vector the customer's remembered payments count, of which there are none here."""
        self.answer(transaction("a"))
        vector = {"customer_ratio_median": explanation}
        record = event("a")["decision"] | {"explanation": None if explanation is None else {"vector": vector}}
        self.explanations.save([record])
        assert self.sink.write([self.message(self.fraud("a"))]) == []
        matrix = self.features.observe([transaction("later", at=TIME + 3600)])
        assert matrix.vectors[0, FEATURE_NAMES.index("terminal_frauds_7d")] == 1.0
        assert matrix.vectors[0, FEATURE_NAMES.index("terminal_ordinary_frauds_7d")] == ordinary

    def test_a_forged_or_altered_label_teaches_nothing(self) -> None:
        self.answer(transaction("a"))
        genuine = self.message(Label.model_validate(self.fraud("a").wire() | {"label": "legitimate"}))
        altered = entry("a", genuine.body.replace(b"legitimate", b"fraud"))
        forged = self.message(self.fraud("a"), signer=MessageSigner(base64.b64encode(os.urandom(32))))
        refusals = self.sink.write([altered, forged])
        assert [refusal.reason for refusal in refusals] == ["MessageRejectedError: message_signature"] * 2
        assert not any(refusal.is_certain for refusal in refusals)  # with another key the worker refuses everybody
        assert self.label("a") is None
        assert self.terminal_frauds() == 0.0

    def test_refused_labels_are_counted_by_reason(self) -> None:
        unsigned = entry("a", orjson.dumps({"payload": orjson.dumps({"label": self.fraud("a").wire()}).decode()}))
        forged = self.message(self.fraud("a"), signer=MessageSigner(base64.b64encode(os.urandom(32))))
        assert len(self.sink.write([unsigned, forged, forged])) == 3
        assert self.sink.rejected == {"message_unsigned": 1, "message_signature": 2}

    def test_a_captured_label_sent_again_after_its_correction_changes_nothing(self) -> None:
        self.answer(transaction("a"))
        fraud = self.fraud("a")
        corrected = Label.model_validate(fraud.wire() | {"label": "legitimate", "labelled_at": TIME + 120})
        captured = self.message(fraud)
        self.sink.write([captured])
        self.sink.write([self.message(corrected)])
        self.sink.write([captured])
        assert self.label("a") == corrected
        assert self.terminal_frauds() == 0.0

    def test_a_label_that_names_customer_and_terminal_reaches_a_transaction_without_record(self) -> None:
        self.features.observe([transaction("backfilled")])
        label = self.fraud("backfilled").model_copy(update={"customer_id": "c-1", "terminal_id": "terminal-1"})
        assert self.sink.write([self.message(label)]) == []
        assert self.label("backfilled") == label
        assert self.terminal_frauds() == 1.0
        assert self.sink.unmatched == 0

    def test_the_record_outranks_the_label_on_customer_and_terminal(self) -> None:
        self.answer(transaction("a"))
        mistaken = self.fraud("a").model_copy(update={"customer_id": "c-2", "terminal_id": "terminal-2"})
        self.sink.write([self.message(mistaken)])
        assert self.terminal_frauds() == 1.0

    def test_a_label_of_an_unknown_transaction_is_stored_and_counted(self) -> None:
        assert self.sink.write([self.message(self.fraud("never"))]) == []
        assert self.label("never") is not None
        assert self.sink.unmatched == 1

    def test_of_two_workers_the_one_with_the_older_label_may_come_last(self) -> None:
        """The other worker records and applies a correction while this one is about to apply what it replaces."""
        self.answer(transaction("a"))
        fraud = self.fraud("a")
        corrected = Label.model_validate(fraud.wire() | {"label": "legitimate", "labelled_at": TIME + 120})
        correction = self.message(corrected)
        other = LabelSink(
            signer=self.signer,
            labels=self.labels,
            features=self.features,
            decisions=self.decisions,
            explanations=self.explanations,
        )
        original = self.features.apply_labels

        def overtaken(labels: Sequence[AppliedLabel]) -> int:
            self.features.apply_labels = original  # type: ignore[method-assign]
            other.write([correction])
            return original(labels)

        self.features.apply_labels = overtaken  # type: ignore[method-assign]
        self.sink.write([self.message(fraud)])
        assert self.label("a") == corrected
        assert self.terminal_frauds() == 0.0

    def test_a_worker_that_died_before_it_applied_a_label_leaves_the_rest_to_the_next_delivery(self) -> None:
        self.answer(transaction("a"))
        fraud = self.fraud("a")
        self.labels.save([fraud])
        older = Label.model_validate(fraud.wire() | {"label": "legitimate", "labelled_at": TIME + 30})
        self.sink.write([self.message(older)])
        assert self.terminal_frauds() == 1.0

    def test_labels_of_a_shard_that_does_not_answer_wait_and_the_others_are_applied(self) -> None:
        for name in ("a", "b", "c"):
            self.answer(transaction(name))
        self.explanations.save([event("c")["decision"] | {"transaction": transaction("c").wire(), "explanation": None}])
        decisions = self.decisions

        class OneShardIsDead(MemoryDecisionStore):
            def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
                records = [None if name in {"b", "c"} else decisions.find(name) for name in transaction_ids]
                unread = frozenset({"b", "c"} & set(transaction_ids))
                if unread:
                    raise PartlyReadError("s2 does not answer", records=records, unread=unread)
                return records

        sink = LabelSink(
            signer=self.signer,
            labels=self.labels,
            features=self.features,
            decisions=OneShardIsDead(),
            explanations=self.explanations,
        )
        refusals = sink.write([self.message(self.fraud(name)) for name in ("a", "b", "c")])
        # MongoDB knows the transaction of c; only b has to wait.
        assert [(each.entry.transaction_id, each.is_deferred) for each in refusals] == [("b", True)]
        assert self.terminal_frauds() == 2.0
        assert sink.unmatched == 0
        assert self.sink.write([self.message(self.fraud("b"))]) == []
        assert self.terminal_frauds() == 3.0

    def test_labels_of_histories_that_do_not_answer_wait_and_the_others_are_applied(self) -> None:
        for name in ("a", "b"):
            self.answer(transaction(name))
        original = self.features.apply_labels

        def in_part(labels: Sequence[AppliedLabel]) -> int:
            found = original([label for label in labels if label.transaction_id != "b"])
            missing = frozenset(place for place, label in enumerate(labels) if label.transaction_id == "b")
            raise PartlyAppliedError("a master does not answer", missing=missing, found=found)

        self.features.apply_labels = in_part  # type: ignore[method-assign]
        refusals = self.sink.write([self.message(self.fraud(name)) for name in ("a", "b")])
        assert [(each.entry.transaction_id, each.is_deferred) for each in refusals] == [("b", True)]
        assert self.terminal_frauds() == 1.0


class PartlyAwayLog(MemoryPublicationLog):
    """A log of which the topic `raw` takes nothing."""

    def __init__(self, *, is_certain: bool = False) -> None:
        super().__init__()
        self.refused: Refused | None = Refused("away", is_certain=is_certain, is_deferred=not is_certain)

    def publish(self, publications: Sequence[Publication]) -> dict[int, Refused]:
        away = {n: self.refused for n, event in enumerate(publications) if self.refused and event.topic == "raw"}
        super().publish([event for n, event in enumerate(publications) if n not in away])
        return away


@pytest.mark.parametrize("is_certain", [False, True])
def test_of_an_entry_that_was_half_published_only_the_other_half_is_published_again(*, is_certain: bool) -> None:
    log = PartlyAwayLog(is_certain=is_certain)
    sink = PublicationSink(log, EVENT_SEAL, topic_scored="scored", topic_raw="raw")
    owed = entries("a", "b")
    for _ in range(3):
        refusals = sink.write(owed)
        assert [(refusal.entry, refusal.is_deferred) for refusal in refusals] == [
            (each, not is_certain) for each in owed
        ]
    log.refused = None
    assert sink.write(owed) == []
    assert [event.event_id for event in log.published] == ["a:scored", "b:scored", "a:raw", "b:raw"]
    assert sink.write(owed) == []  # a repair after Kafka lost them publishes both again
    assert len(log.published) == 8
