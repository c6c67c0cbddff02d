import pytest

from ml.stores.outbox.outbox_memory import MemoryOutbox, MemoryStream
from tests.contracts.outbox import OutboxContract


class TestMemoryOutbox(OutboxContract):
    @pytest.fixture(autouse=True)
    def _outbox(self) -> None:
        self.stream = MemoryStream()
        self.outbox = MemoryOutbox(self.stream, "explain")
        self.other = MemoryOutbox(self.stream, "publish")

    def add(self, transaction_id: str) -> None:
        self.stream.add(transaction_id, b"{}")
