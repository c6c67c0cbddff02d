"""What every outbox must do."""

from ml.stores.outbox.outbox import Outbox


class OutboxContract:
    """Subclasses give a fresh `outbox` of group `explain`, `other` of group `publish`, and `add` an entry."""

    outbox: Outbox
    other: Outbox

    def add(self, transaction_id: str) -> None:
        raise NotImplementedError

    def ids(self, entries: object) -> list[str]:
        return [entry.transaction_id for entry in entries]

    def test_reads_new_entries_once_in_order(self) -> None:
        for name in "abc":
            self.add(name)
        assert self.ids(self.outbox.read_new(2)) == ["a", "b"]
        assert self.ids(self.outbox.read_new(2)) == ["c"]
        assert self.outbox.read_new(2) == []

    def test_hands_out_again_what_was_not_acknowledged(self) -> None:
        self.add("a")
        self.add("b")
        first, _second = self.outbox.read_new(10)
        assert first.deliveries == 1
        self.outbox.acknowledge([first])
        (again,) = self.outbox.read_pending(10)
        assert (again.transaction_id, again.deliveries) == ("b", 2)

    def test_a_released_delivery_does_not_count(self) -> None:
        self.add("a")
        self.outbox.release(self.outbox.read_new(1))
        for _ in range(10):
            entries = self.outbox.read_pending(1)
            assert entries[0].deliveries == 1
            self.outbox.release(entries)

    def test_a_charged_delivery_counts(self) -> None:
        self.add("a")
        (entry,) = self.outbox.read_new(1)
        self.outbox.release([entry])
        self.outbox.charge(entry)
        assert self.outbox.read_pending(1)[0].deliveries == 2

    def test_each_group_reads_everything(self) -> None:
        self.add("a")
        assert self.ids(self.outbox.read_new(1)) == ["a"]
        assert self.ids(self.other.read_new(1)) == ["a"]

    def test_lag_counts_unread_and_unacknowledged(self) -> None:
        for name in "abc":
            self.add(name)
        entries = self.outbox.read_new(2)
        assert self.outbox.lag().entries == 3
        assert self.outbox.lag().oldest_seconds >= 0.0
        self.outbox.acknowledge(entries)
        assert self.outbox.lag().entries == 1

    def test_a_group_that_never_read_owes_everything(self) -> None:
        self.add("a")
        self.outbox.read_new(1)
        assert self.other.lag().entries == 1

    def test_trims_only_what_both_groups_acknowledged(self) -> None:
        for name in "abc":
            self.add(name)
        self.outbox.acknowledge(self.outbox.read_new(3))
        first, second = self.other.read_new(2)
        assert self.outbox.trim() == 0
        self.other.acknowledge([first])
        assert self.outbox.trim() == 1
        self.other.acknowledge([second])
        assert self.outbox.trim() == 1
        assert self.ids(self.other.read_new(5)) == ["c"]

    def test_buries_with_the_reason_and_redrives_for_its_group_alone(self) -> None:
        self.add("a")
        (entry,) = self.outbox.read_new(1)
        self.outbox.bury(entry, "poison")
        assert self.outbox.read_pending(5) == []
        (letter,) = self.outbox.dead_letters(5)
        assert (letter.transaction_id, letter.reason, letter.body) == ("a", "poison", entry.body)
        assert self.outbox.lag().dead_letters == 1
        assert self.outbox.redrive([letter]) == 1
        assert self.outbox.redrive([letter]) == 0
        (again,) = self.outbox.read_new(5)
        assert (again.transaction_id, again.only, again.body) == ("a", "explain", entry.body)
        assert [entry.only for entry in self.other.read_new(5)] == [None, "explain"]
