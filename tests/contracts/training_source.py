"""What every source of the stored past does; subclasses make one from records and labels in `make`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest

from ml.domain.label import Label
from ml.stores.training_source.training_source import TrainingSource

Make: TypeAlias = Callable[[Sequence[dict[str, Any]], Sequence[Label]], TrainingSource]

SCORED = datetime(2026, 11, 23, 15, 45, tzinfo=UTC).timestamp()


def record(number: int, **changes: Any) -> dict[str, Any]:
    """Returns the explanation record of transaction `number`, which happens and is scored at second `number`."""
    scored_at = datetime.fromtimestamp(SCORED + number, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "transaction_id": f"t{number}",
        "customer_id": "c1",
        "decision": "approve",
        "score": number / 1000,
        "model_version": "v1",
        "scored_at": scored_at,
        "transaction": {
            "transaction_id": f"t{number}",
            "timestamp": 1_000_000.0 + number,
            "customer_id": "c1",
            "terminal_id": "m1",
            "amount": "12.34",
            "currency": "EUR",
            "channel": "pos",
        },
        "explanation": {"vector": {"a": float(number), "b": -1.0}},
    }
    return fields | changes


def label(number: int, *, is_fraud: bool, at: float = 2_000_000.5) -> Label:
    kind = "fraud" if is_fraud else "legitimate"
    return Label.model_validate(
        {"transaction_id": f"t{number}", "label": kind, "source": "chargeback", "labelled_at": at}
    )


class TrainingSourceContract:
    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    def test_an_empty_store_has_no_past(self, make: Make) -> None:
        source = make([], [])
        assert source.latest_event() is None
        assert list(source.transactions(0)) == []
        recent = source.recent_vectors("v1", ("a", "b"), limit=10)
        assert recent.vectors.shape == (0, 2)
        assert recent.scores.shape == (0,)

    def test_transactions_come_in_order_of_arrival_with_their_labels(self, make: Make) -> None:
        source = make([record(2), record(1), record(3)], [label(1, is_fraud=True), label(3, is_fraud=False)])
        stored = list(source.transactions(0))
        assert [item.transaction.transaction_id for item in stored] == ["t1", "t2", "t3"]
        assert [item.arrived_at for item in stored] == [int(SCORED) + number for number in (1, 2, 3)]
        assert [(item.is_fraud, item.known_at) for item in stored] == [
            (True, 2_000_000),
            (None, None),
            (False, 2_000_000),
        ]
        assert stored[0].transaction.wire() == record(1)["transaction"]

    def test_only_transactions_of_the_asked_event_times_come(self, make: Make) -> None:
        source = make([record(number) for number in range(6)], [])
        assert [item.transaction.transaction_id for item in source.transactions(1_000_004)] == ["t4", "t5"]
        assert source.latest_event() == 1_000_005

    def test_more_transactions_than_a_batch_come_whole(self, make: Make) -> None:
        source = make([record(number) for number in range(4500)], [label(4400, is_fraud=True)])
        stored = list(source.transactions(0))
        assert [item.transaction.transaction_id for item in stored] == [f"t{number}" for number in range(4500)]
        assert [item.transaction.transaction_id for item in stored if item.is_fraud] == ["t4400"]

    def test_recent_vectors_are_the_newest_of_the_version(self, make: Make) -> None:
        records = [record(number, model_version="v1" if number % 2 else "v2") for number in range(10)]
        recent = make(records, []).recent_vectors("v1", ("b", "a"), limit=3)
        assert recent.names == ("b", "a")
        assert recent.vectors.tolist() == [[-1.0, 9.0], [-1.0, 7.0], [-1.0, 5.0]]
        assert recent.scores.tolist() == [0.009, 0.007, 0.005]

    @pytest.mark.parametrize("explanation", [None, {}, {"vector": {"a": 1.0}}])
    def test_a_decision_without_its_whole_vector_is_left_out(
        self, make: Make, explanation: dict[str, Any] | None
    ) -> None:
        recent = make([record(1), record(2, explanation=explanation)], []).recent_vectors("v1", ("a", "b"), limit=10)
        assert recent.vectors.tolist() == [[1.0, -1.0]]
        assert recent.scores.tolist() == [0.001]
