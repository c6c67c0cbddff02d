import pytest

from ml.stores.features_memory import MemoryFeatureStore
from tests.contracts.feature_store import FeatureStoreContract


class TestMemoryFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def store(self) -> MemoryFeatureStore:
        return MemoryFeatureStore()
