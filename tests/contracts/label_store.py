"""What every label store must do."""

from ml.domain.label import Label
from ml.stores.labels.labels import LabelStore


def label(transaction_id: str, outcome: str = "fraud", *, at: float = 1_000.0) -> Label:
    return Label(transaction_id=transaction_id, label=outcome, source="chargeback", labelled_at=at)


class LabelStoreContract:
    """Subclasses give an empty `store`."""

    store: LabelStore

    def test_returns_what_was_stored(self) -> None:
        self.store.save([label("t-1"), label("t-2", "legitimate")])
        assert self.store.find("t-1") == label("t-1")
        assert self.store.find("t-2") == label("t-2", "legitimate")
        assert self.store.find("t-3") is None

    def test_customer_and_terminal_are_stored_and_replaced_with_the_label(self) -> None:
        placed = label("t-1", at=10.0).model_copy(update={"customer_id": "c-1", "terminal_id": "pos-77"})
        self.store.save([placed])
        assert self.store.find("t-1") == placed
        self.store.save([label("t-1", at=20.0)])
        assert self.store.find("t-1") == label("t-1", at=20.0)

    def test_a_later_label_replaces_an_earlier_one_and_never_the_other_way(self) -> None:
        self.store.save([label("t-1", "fraud", at=10.0)])
        self.store.save([label("t-1", "legitimate", at=20.0)])
        self.store.save([label("t-1", "fraud", at=15.0)])
        assert self.store.find("t-1") == label("t-1", "legitimate", at=20.0)

    def test_the_latest_of_one_call_wins_in_any_order(self) -> None:
        self.store.save([label("t-1", "legitimate", at=20.0), label("t-1", "fraud", at=10.0)])
        assert self.store.find("t-1") == label("t-1", "legitimate", at=20.0)

    def test_returns_which_labels_are_of_record_now(self) -> None:
        first, second = label("t-1", "fraud", at=10.0), label("t-2", "fraud", at=10.0)
        corrected = label("t-1", "legitimate", at=20.0)
        assert self.store.save([first, second]) == [first, second]
        assert self.store.save([corrected]) == [corrected]
        assert self.store.save([first, second]) == [second]

    def test_labels_that_all_come_too_late_leave_none_of_record(self) -> None:
        self.store.save([label("t-1", "legitimate", at=20.0)])
        assert self.store.save([label("t-1", "fraud", at=19.999)]) == []
        assert self.store.save([]) == []
