import pytest

from ml.stores.explanations.explanations_memory import MemoryExplanationStore
from tests.contracts.explanation_store import ExplanationStoreContract


class TestMemoryExplanationStore(ExplanationStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryExplanationStore()
