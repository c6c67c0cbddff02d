import pytest
from hypothesis import given, settings

from ml.stores.features.features_memory import MemoryFeatureStore
from tests.contracts.feature_operations import SMALL, Life, Operation, operations
from tests.contracts.feature_store import FeatureStoreContract


class TestMemoryFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def store(self) -> MemoryFeatureStore:
        return MemoryFeatureStore()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(history=operations(60))
def test_a_retry_gets_its_first_vector_whatever_happened_since(history: list[Operation]) -> None:
    life = Life(MemoryFeatureStore(SMALL), SMALL)
    for operation in history:
        life.happens(operation)
