import threading
from collections.abc import Sequence

import pytest

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import DecisionRecord, PartlyReadError, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.decisions.decisions_sharded import ShardedDecisions
from ml.stores.placements.placements_memory import MemoryPlacements
from tests.contracts.decision_store import new_decision


def decided(*names: str) -> MemoryDecisionStore:
    store = MemoryDecisionStore()
    store.commit([new_decision(name) for name in names], Reply("r", "b", {}))
    return store


@pytest.fixture
def placements() -> MemoryPlacements:
    placements = MemoryPlacements()
    placements.place([("a", "s1"), ("b", "s2"), ("failed", "s2"), ("elsewhere", "s9")])
    return placements


@pytest.fixture
def decisions(placements: MemoryPlacements) -> ShardedDecisions:
    return ShardedDecisions(
        placements, {"s1": decided("a"), "s2": decided("b")}, unplaced=decided("old"), within_seconds=60
    )


def test_each_record_is_read_where_its_transaction_was_placed(decisions: ShardedDecisions) -> None:
    records = decisions.find_many(["b", "never", "a", "old", "failed"])
    found = [None if record is None else record.decision["transaction_id"] for record in records]
    assert found == ["b", None, "a", "old", None]
    assert decisions.find("a") == records[2]


def test_a_record_from_before_there_were_shards_counts_even_if_placed_since(
    placements: MemoryPlacements, decisions: ShardedDecisions
) -> None:
    placements.place([("old", "s1")])
    record = decisions.find("old")
    assert record is not None
    assert record.decision["transaction_id"] == "old"


def test_an_unknown_shard_is_no_absent_record(decisions: ShardedDecisions) -> None:
    with pytest.raises(StoreUnavailableError, match="s9 is not in SCORE_SHARD_URLS"):
        decisions.find("elsewhere")


def test_a_shard_that_does_not_answer_hides_no_record_of_another(decisions: ShardedDecisions) -> None:
    with pytest.raises(PartlyReadError, match="s9") as caught:
        decisions.find_many(["b", "elsewhere", "never", "a"])
    found = [None if record is None else record.decision["transaction_id"] for record in caught.value.records]
    assert found == ["b", None, None, "a"]
    assert caught.value.unread == {"elsewhere"}


class SilentRecords(MemoryDecisionStore):
    """Answers only once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        self.was_asked.set()
        self.may_answer.wait()
        return super().find_many(transaction_ids)


def test_silent_shards_are_asked_at_the_same_time_and_share_one_deadline(placements: MemoryPlacements) -> None:
    silent = {name: SilentRecords() for name in ("s1", "s2")}
    decisions = ShardedDecisions(placements, silent, unplaced=decided("old"), within_seconds=0.5)
    with pytest.raises(PartlyReadError, match="no answer in time") as caught:  # it ends while both are silent
        decisions.find_many(["a", "b", "old"])
    assert caught.value.unread == {"a", "b"}
    assert [record is not None for record in caught.value.records] == [False, False, True]
    assert all(shard.was_asked.is_set() for shard in silent.values())
    for shard in silent.values():
        shard.may_answer.set()


def test_a_silent_server_of_all_shards_is_waited_for_no_longer_than_that(placements: MemoryPlacements) -> None:
    silent = SilentRecords()
    decisions = ShardedDecisions(placements, {"s1": decided("a")}, unplaced=silent, within_seconds=0.1)
    with pytest.raises(StoreUnavailableError, match="no answer in time"):
        decisions.find("a")
    silent.may_answer.set()
