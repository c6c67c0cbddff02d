import pytest

from ml.stores.arrivals.arrivals_memory import MemoryArrivals
from tests.contracts.arrivals import ArrivalsContract


class TestMemoryArrivals(ArrivalsContract):
    @pytest.fixture(autouse=True)
    def _arrivals(self) -> None:
        self.arrivals = MemoryArrivals()

    def deliver(self, *transaction_ids: str) -> None:
        self.arrivals.held.update(transaction_ids)
