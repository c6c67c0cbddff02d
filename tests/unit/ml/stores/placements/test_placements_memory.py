import pytest

from ml.stores.placements.placements_memory import MemoryPlacements
from tests.contracts.placements import PlacementsContract


class TestMemoryPlacements(PlacementsContract):
    @pytest.fixture
    def store(self) -> MemoryPlacements:
        return MemoryPlacements()
