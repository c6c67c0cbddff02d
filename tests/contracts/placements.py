"""What every memory of placements does; subclasses name the adapter in a fixture `store`."""

from uuid import uuid4

from ml.stores.placements.placements import Placement, Placements


def fresh(count: int) -> list[str]:
    return [uuid4().hex for _ in range(count)]


class PlacementsContract:
    def test_a_new_transaction_gets_the_proposed_shard(self, store: Placements) -> None:
        one, two = fresh(2)
        assert store.place([(one, "s1"), (two, "s2")]) == [Placement("s1", is_new=True), Placement("s2", is_new=True)]
        assert store.find_many([two, one]) == ["s2", "s1"]

    def test_a_placed_transaction_stays_whatever_is_proposed(self, store: Placements) -> None:
        one, two = fresh(2)
        store.place([(one, "s1")])
        assert store.place([(two, "s2"), (one, "s2")]) == [Placement("s2", is_new=True), Placement("s1", is_new=False)]
        assert store.find_many([one]) == ["s1"]

    def test_of_two_proposals_at_once_the_first_counts(self, store: Placements) -> None:
        (one,) = fresh(1)
        assert store.place([(one, "s1"), (one, "s2")]) == [Placement("s1", is_new=True), Placement("s1", is_new=False)]

    def test_what_was_never_placed_is_nowhere(self, store: Placements) -> None:
        assert store.find_many(fresh(2)) == [None, None]

    def test_nothing_may_be_asked(self, store: Placements) -> None:
        assert store.place([]) == []
        assert store.find_many([]) == []
