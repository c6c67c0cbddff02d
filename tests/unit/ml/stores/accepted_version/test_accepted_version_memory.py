import pytest

from ml.stores.accepted_version.accepted_version_memory import MemoryAcceptedVersion
from tests.contracts.accepted_version import AcceptedVersionContract


class TestMemoryAcceptedVersion(AcceptedVersionContract):
    @pytest.fixture
    def mark(self) -> MemoryAcceptedVersion:
        return MemoryAcceptedVersion()
