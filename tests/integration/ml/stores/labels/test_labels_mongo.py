from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.database import Database

from ml.stores.labels.labels_mongo import MongoLabelStore
from tests.contracts.label_store import NOW, LabelStoreContract, label


class TestMongoLabelStore(LabelStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self, mongo_database: Database) -> None:
        self.collection = mongo_database["labels"]
        self.store = MongoLabelStore(self.collection, lambda: NOW)

    def test_processes_that_save_at_the_same_time_lose_nothing_to_each_other(self) -> None:
        labels = [
            label(f"t-{number % 5}", outcome, at=float(at))
            for number in range(5)
            for at, outcome in enumerate(["fraud", "legitimate"] * 6, start=10)
        ]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda part: self.store.save(labels[part::8]), range(8)))
        found = self.store.find_many([f"t-{number}" for number in range(5)])
        assert {(each.label.label, each.label.labelled_at, each.known_at) for each in found.values()} == {
            ("legitimate", 21.0, 11)
        }

    def test_a_document_of_an_earlier_version_is_read_and_merged(self) -> None:
        self.collection.insert_one(
            {"_id": "t-1", "label": "fraud", "source": "s", "labelled_at": 10.0, "is_fraud": True, "known_at": 10}
        )
        (known,) = self.store.save([label("t-1", "fraud", at=30.0)])
        assert (known.label.labelled_at, known.known_at) == (30.0, 10)
        document = self.collection.find_one({"_id": "t-1"})
        assert (document["known_at"], document["is_fraud"], document["revision"]) == (10, True, 1)
