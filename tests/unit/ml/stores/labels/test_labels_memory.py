import pytest

from ml.stores.labels.labels_memory import MemoryLabelStore
from tests.contracts.label_store import NOW, LabelStoreContract


class TestMemoryLabelStore(LabelStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryLabelStore(lambda: NOW)
