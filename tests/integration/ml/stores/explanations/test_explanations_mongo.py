import pytest
from pymongo import MongoClient
from pymongo.database import Database

from ml.domain.decision import Outcome
from ml.domain.errors import StoreUnavailableError
from ml.stores.explanations.explanation_cursor import encode_cursor
from ml.stores.explanations.explanations import ExplanationQuery
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from tests.contracts.explanation_store import START, ExplanationStoreContract, record
from tests.mongo_sorts import is_indexed, watched


class TestMongoExplanationStore(ExplanationStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self, mongo_database: Database) -> None:
        self.collection = mongo_database["explanations"]
        self.store = MongoExplanationStore(self.collection)
        self.store.create_indexes()

    def test_an_unstorable_record_is_refused_and_its_neighbours_are_stored(self) -> None:
        unstorable = record("t-bad") | {"number": 2**70}
        refused = self.store.save([record("t-1"), unstorable, record("t-2")])
        assert set(refused) == {"t-bad"}
        assert self.store.existing(["t-1", "t-2", "t-bad"]) == {"t-1", "t-2"}


CRITERIA = (
    ExplanationQuery(),
    ExplanationQuery(customer_id="c-1"),
    ExplanationQuery(decision=Outcome.DECLINE),
    ExplanationQuery(customer_id="c-1", decision=Outcome.DECLINE, start=START),
)


@pytest.mark.parametrize("query", CRITERIA)
@pytest.mark.parametrize("cursor", [None, encode_cursor("2026-01-01T00:00:00.000Z", "t-1")])
def test_every_search_is_sorted_by_an_index(
    mongo_url: str, mongo_database: Database, query: ExplanationQuery, cursor: str | None
) -> None:
    with watched(mongo_url, mongo_database) as (database, watch):
        store = MongoExplanationStore(database["explanations"])
        store.create_indexes()
        store.search(query, cursor=cursor)
        (sort,) = watch.sorts
        assert is_indexed(database["explanations"], sort)


def test_an_unreachable_server_is_unavailable() -> None:
    client: MongoClient = MongoClient("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=100)
    store = MongoExplanationStore(client["shrike"]["explanations"])
    with pytest.raises(StoreUnavailableError):
        store.save([record("t-1")])
    with pytest.raises(StoreUnavailableError):
        store.find("t-1")
    client.close()
