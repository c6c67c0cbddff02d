import pytest

from ml.stores.outbox.answered_memory import MemoryAnsweredIndex
from tests.contracts.answered_index import AnsweredIndexContract


class TestMemoryAnsweredIndex(AnsweredIndexContract):
    @pytest.fixture(autouse=True)
    def _index(self) -> None:
        self.index = MemoryAnsweredIndex()

    def answer(self, minute: int, *transaction_ids: str) -> None:
        self.index.add(minute, *transaction_ids)
