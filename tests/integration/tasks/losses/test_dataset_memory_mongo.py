import logging
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


@pytest.mark.parametrize("document", [{}, {"name": None}, {"name": ""}, {"name": 7}, {"name": "a,,b"}])
def test_a_document_without_a_name_counts_as_missing_until_one_is_remembered(
    collection: Collection[dict[str, Any]], document: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    memory = MongoDatasetMemory(collection, "main.answers")
    collection.insert_one({"_id": "main.answers"} | document)
    with caplog.at_level(logging.ERROR):
        assert memory.recall() is None
    assert "main.answers" in caplog.text
    memory.remember("a")
    assert memory.recall() == "a"
