import pytest

from security.revocations.revocation_memory import MemoryRevocations
from tests.contracts.revocations import RevocationsContract


class TestMemoryRevocations(RevocationsContract):
    @pytest.fixture
    def store(self) -> MemoryRevocations:
        return MemoryRevocations()
