from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from tasks.losses.dataset_memory_mongo import MongoDatasetMemory


@pytest.fixture
def collection(mongo_url: str) -> Iterator[Collection[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        yield client[f"datasets_{uuid4().hex[:8]}"]["datasets"]


def test_each_server_of_an_installation_has_its_own_name(collection: Collection[dict[str, Any]]) -> None:
    answers, shared = (MongoDatasetMemory(collection, server) for server in ("main.answers", "main.shared"))
    assert answers.recall() is None
    answers.remember("a")
    shared.remember("s")
    answers.remember("b")
    again = MongoDatasetMemory(collection, "main.answers")
    assert (again.recall(), shared.recall()) == ("b", "s")
