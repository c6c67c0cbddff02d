import pytest

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import PartlyReadError, Reply
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
    return ShardedDecisions(placements, {"s1": decided("a"), "s2": decided("b")}, unplaced=decided("old"))


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
