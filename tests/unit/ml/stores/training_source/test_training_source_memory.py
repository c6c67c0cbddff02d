import pytest

from ml.stores.training_source.training_source_memory import MemoryTrainingSource
from tests.contracts.training_source import Make, TrainingSourceContract


class TestMemoryTrainingSource(TrainingSourceContract):
    @pytest.fixture
    def make(self) -> Make:
        return MemoryTrainingSource
