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
        assert first.deliveries == 0
        self.outbox.acknowledge([first])
        (again,) = self.outbox.read_pending(10)
        assert (again.transaction_id, again.deliveries) == ("b", 0)

    def test_only_a_write_that_began_counts(self) -> None:
        self.add("a")
        self.outbox.read_new(1)
        for deliveries in range(3):
            for _ in range(5):
                (entry,) = self.outbox.read_pending(1)
                assert entry.deliveries == deliveries
            assert [begun.deliveries for begun in self.outbox.begin([entry])] == [deliveries + 1]

    def test_a_released_delivery_does_not_count(self) -> None:
        self.add("a")
        self.outbox.release(self.outbox.begin(self.outbox.read_new(1)))
        for _ in range(10):
            (entry,) = self.outbox.read_pending(1)
            assert entry.deliveries == 0
            self.outbox.release(self.outbox.begin([entry]))

    def test_deferred_entries_do_not_keep_the_other_pending_ones_waiting(self) -> None:
        for name in "abcdef":
            self.add(name)
        self.outbox.read_new(10)
        seen = []
        for _ in range(3):
            page = self.outbox.begin(self.outbox.read_pending(2))
            seen += self.ids(page)
            self.outbox.defer(page)
        assert sorted(seen) == list("abcdef")
        assert [entry.deliveries for entry in self.outbox.read_pending(10)] == [0] * 6

    def test_entries_of_different_age_are_counted_together(self) -> None:
        for name in "abc":
            self.add(name)
        a, b, c = self.outbox.read_new(3)
        self.outbox.begin([a, b])
        self.outbox.begin(self.outbox.read_pending(1))
        assert [entry.deliveries for entry in self.outbox.read_pending(3)] == [2, 1, 0]
        assert [entry.deliveries for entry in self.outbox.begin(self.outbox.read_pending(3))] == [3, 2, 1]
        assert c.deliveries == 0

    def test_a_write_leaves_out_what_was_acknowledged_meanwhile(self) -> None:
        self.add("a")
        self.add("b")
        first, second = self.outbox.read_new(2)
        self.outbox.acknowledge([first])
        assert self.ids(self.outbox.begin([first, second])) == ["b"]
        assert self.outbox.begin([]) == []

    def test_what_is_passed_over_is_not_handed_out_again(self) -> None:
        self.add("a")
        self.add("b")
        self.outbox.pass_over(self.outbox.read_new(1))
        self.outbox.pass_over([])
        assert self.outbox.read_pending(5) == []
        assert self.ids(self.outbox.read_new(5)) == ["b"]

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
