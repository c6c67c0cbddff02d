"""What every label store must do."""

from itertools import permutations

from ml.domain.label import Label
from ml.stores.labels.labels import LabelStore


def label(transaction_id: str, outcome: str = "fraud", *, at: float = 1_000.0) -> Label:
    return Label(transaction_id=transaction_id, label=outcome, source="chargeback", labelled_at=at)


NOW = 1_800_000_000.0


class LabelStoreContract:
    """Subclasses give an empty `store` whose clock says `NOW`."""

    store: LabelStore

    def find(self, transaction_id: str) -> Label | None:
        found = self.store.find_many([transaction_id])
        return found[transaction_id].label if found else None

    def test_returns_what_was_stored(self) -> None:
        self.store.save([label("t-1"), label("t-2", "legitimate")])
        assert self.find("t-1") == label("t-1")
        assert self.find("t-2") == label("t-2", "legitimate")
        assert self.find("t-3") is None

    def test_customer_and_terminal_are_stored_and_replaced_with_the_label(self) -> None:
        placed = label("t-1", at=10.0).model_copy(update={"customer_id": "c-1", "terminal_id": "pos-77"})
        self.store.save([placed])
        assert self.find("t-1") == placed
        self.store.save([label("t-1", at=20.0)])
        assert self.find("t-1") == label("t-1", at=20.0)

    def test_a_later_label_replaces_an_earlier_one_and_never_the_other_way(self) -> None:
        self.store.save([label("t-1", "fraud", at=10.0)])
        self.store.save([label("t-1", "legitimate", at=20.0)])
        self.store.save([label("t-1", "fraud", at=15.0)])
        assert self.find("t-1") == label("t-1", "legitimate", at=20.0)

    def test_the_latest_of_one_call_wins_in_any_order(self) -> None:
        self.store.save([label("t-1", "legitimate", at=20.0), label("t-1", "fraud", at=10.0)])
        assert self.find("t-1") == label("t-1", "legitimate", at=20.0)

    def test_returns_what_is_known_now_of_each_transaction(self) -> None:
        first, second = label("t-1", "fraud", at=10.0), label("t-2", "fraud", at=10.0)
        corrected = label("t-1", "legitimate", at=20.0)
        assert [each.label for each in self.store.save([first, second])] == [first, second]
        assert [each.label for each in self.store.save([corrected])] == [corrected]
        assert [each.label for each in self.store.save([first, second, second])] == [corrected, second]
        assert self.store.save([]) == []

    def test_an_outcome_is_known_since_it_was_first_reported(self) -> None:
        self.store.save([label("t-1", "fraud", at=30.0)])
        self.store.save([label("t-1", "fraud", at=10.0)])
        (known,) = self.store.save([label("t-1", "legitimate", at=20.0)])
        assert (known.label.labelled_at, known.label.is_fraud, known.known_at) == (30.0, True, 10)

    def test_neither_order_nor_repetition_changes_what_is_known_in_the_end(self) -> None:
        labels = [
            label("t", "fraud", at=10.0),
            label("t", "legitimate", at=20.0),
            label("t", "fraud", at=20.0),
            label("t", "legitimate", at=15.0),
        ]
        known = set()
        for number, order in enumerate(permutations(labels)):
            renamed = [each.model_copy(update={"transaction_id": f"t-{number}"}) for each in order]
            for each in (*renamed, *renamed[:2]):
                self.store.save([each])
            found = self.store.find_many([f"t-{number}"])[f"t-{number}"]
            known.add((found.label.label, found.label.labelled_at, found.known_at, found.first_legitimate_at))
        assert known == {("fraud", 20.0, 10, 15)}

    def test_a_label_of_the_far_future_can_be_corrected(self) -> None:
        self.store.save([label("t-1", "fraud", at=4_070_908_800.0)])
        self.store.save([label("t-1", "legitimate", at=NOW - 60)])
        assert self.find("t-1") == label("t-1", "legitimate", at=NOW - 60)
        self.store.save([label("t-1", "fraud", at=4_070_908_800.0)])
        assert self.find("t-1") == label("t-1", "legitimate", at=NOW - 60)
