import pytest
from pymongo.database import Database

from ml.stores.arrivals.arrivals_mongo import MongoArrivals
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from tests.contracts.arrivals import ArrivalsContract
from tests.contracts.explanation_store import record


class TestMongoArrivals(ArrivalsContract):
    @pytest.fixture(autouse=True)
    def _arrivals(self, mongo_database: Database) -> None:
        self.store = MongoExplanationStore(mongo_database["explanations"])
        self.arrivals = MongoArrivals(self.store)

    def deliver(self, *transaction_ids: str) -> None:
        assert self.store.save([record(name) for name in transaction_ids]) == {}
