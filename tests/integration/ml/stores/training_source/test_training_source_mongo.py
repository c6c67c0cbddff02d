from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from ml.domain.errors import StoreUnavailableError
from ml.domain.label import Label
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.labels.labels_mongo import MongoLabelStore
from ml.stores.training_source.training_source_mongo import MongoTrainingSource
from tests.contracts.training_source import Make, TrainingSourceContract, label, record
from tests.mongo_sorts import is_indexed, watched


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_url, serverSelectionTimeoutMS=5000) as client:
        client.drop_database("training_source")
        yield client["training_source"]
        client.drop_database("training_source")


@pytest.fixture
def source(database: Database[dict[str, Any]]) -> MongoTrainingSource:
    return MongoTrainingSource(database["explanations"], database["labels"])


class TestMongoTrainingSource(TrainingSourceContract):
    @pytest.fixture
    def make(self, database: Database[dict[str, Any]], source: MongoTrainingSource) -> Make:
        """Writes through the stores that the workers use."""

        def build(records: Sequence[dict[str, Any]], labels: Sequence[Label]) -> MongoTrainingSource:
            if records:
                MongoExplanationStore(database["explanations"]).save(records)
            MongoLabelStore(database["labels"]).save(labels)
            return source

        return build


def test_a_malformed_document_is_left_out_and_logged(
    database: Database[dict[str, Any]], source: MongoTrainingSource, caplog: pytest.LogCaptureFixture
) -> None:
    broken = record(1)
    broken["transaction"] = broken["transaction"] | {"amount": "-1"}
    MongoExplanationStore(database["explanations"]).save([broken, record(2)])
    MongoLabelStore(database["labels"]).save([label(2, is_fraud=True)])
    assert [item.transaction.transaction_id for item in source.transactions(0)] == ["t2"]
    assert "malformed" in caplog.text


def test_an_unreachable_server_raises_the_domains_exception() -> None:
    with MongoClient[dict[str, Any]]("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=200) as client:
        source = MongoTrainingSource(client["x"]["explanations"], client["x"]["labels"])
        with pytest.raises(StoreUnavailableError):
            source.latest_event()
        with pytest.raises(StoreUnavailableError):
            next(source.transactions(0))
        with pytest.raises(StoreUnavailableError):
            source.recent_vectors("v1", ("a",), limit=1)


def test_everything_is_sorted_by_an_index(mongo_url: str, mongo_database: Database) -> None:
    with watched(mongo_url, mongo_database) as (database, watch):
        MongoExplanationStore(database["explanations"]).create_indexes()
        source = MongoTrainingSource(database["explanations"], database["labels"])
        list(source.transactions(0))
        source.recent_vectors("v1", ("amount",), limit=10)
        assert len(watch.sorts) == 2
        assert all(is_indexed(database["explanations"], sort) for sort in watch.sorts)
