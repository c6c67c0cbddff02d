import pytest

from security.safe_mode.safe_mode_memory import MemorySafeMode
from tests.contracts.safe_mode import SafeModeContract


class TestMemorySafeMode(SafeModeContract):
    @pytest.fixture
    def store(self) -> MemorySafeMode:
        return MemorySafeMode()
