import pytest

from ml.stores.decisions.decisions import CommitOutcome
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from tests.contracts.decision_store import DecisionStoreContract, new_decision


class TestMemoryDecisionStore(DecisionStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryDecisionStore()

    def replies(self, address: str) -> list[dict]:
        return self.store.replies[address]


class TestBound:
    def test_a_full_outbox_refuses_new_decisions_and_repeats_old_ones(self) -> None:
        contract = TestMemoryDecisionStore()
        contract.store = MemoryDecisionStore(outbox_limit=1)
        contract.commit(new_decision("t-1"))
        report = contract.commit(new_decision("t-2"), new_decision("t-1"))
        assert report.outcomes == (CommitOutcome.OVERLOADED, CommitOutcome.REPEATED)
