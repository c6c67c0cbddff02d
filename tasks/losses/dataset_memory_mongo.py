"""The names of bodies of data in MongoDB: collection `datasets`, `_id` = which of the installation's Redis servers."""

from typing import Any

from pymongo.collection import Collection

from ml.stores.failures_mongo import mongo_failures_as_unavailable
from tasks.losses.dataset_memory import remembered_name


class MongoDatasetMemory:
    """The memory of a whole installation, whose machines may keep no files."""

    def __init__(self, collection: Collection[dict[str, Any]], server: str) -> None:
        self._datasets = collection
        self._server = server

    def recall(self) -> str | None:
        """See `DatasetMemory.recall`."""
        with mongo_failures_as_unavailable():
            document = self._datasets.find_one({"_id": self._server})
        if document is None:
            return None
        return remembered_name(document.get("name"), f"MongoDB's collection datasets, {self._server}")

    def remember(self, name: str) -> None:
        """See `DatasetMemory.remember`."""
        with mongo_failures_as_unavailable():
            self._datasets.replace_one({"_id": self._server}, {"_id": self._server, "name": name}, upsert=True)
