import pytest

from ml.stores.outbox.awaiting_memory import MemoryAwaitingIndex
from ml.stores.outbox.outbox_memory import MemoryOutbox, MemoryStream
from tests.contracts.awaiting_index import AwaitingIndexContract


class TestMemoryAwaitingIndex(AwaitingIndexContract):
    @pytest.fixture(autouse=True)
    def _index(self) -> None:
        self.stream = MemoryStream()
        self.outbox, self.other = (MemoryOutbox(self.stream, sink) for sink in ("explain", "publish"))
        self.index, self.other_index = (MemoryAwaitingIndex(self.stream, sink) for sink in ("explain", "publish"))

    def answer(self, transaction_id: str, since_ms: int) -> None:
        self.stream.add(transaction_id, b"{}")
        for since in self.stream.awaiting.values():
            since[transaction_id] = since_ms

    def lose_stream(self) -> None:
        self.stream.entries.clear()
