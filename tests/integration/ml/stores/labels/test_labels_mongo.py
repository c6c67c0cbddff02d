import pytest
from pymongo.database import Database

from ml.stores.labels.labels_mongo import MongoLabelStore
from tests.contracts.label_store import LabelStoreContract


class TestMongoLabelStore(LabelStoreContract):
    @pytest.fixture(autouse=True)
    def _store(self, mongo_database: Database) -> None:
        self.collection = mongo_database["labels"]
        self.store = MongoLabelStore(self.collection)
