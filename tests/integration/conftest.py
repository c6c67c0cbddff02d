"""Fixtures of the integration tests: clients with a clean place of their own on the shared servers."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis
from pymongo import MongoClient
from pymongo.database import Database

_DELIVERY_DATABASE = 5


@pytest.fixture
def redis_client(valkey_url: str) -> Iterator[redis.Redis]:
    """A client on an empty database of the real server."""
    client = redis.Redis.from_url(valkey_url, db=_DELIVERY_DATABASE)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def mongo_database(mongo_url: str) -> Iterator[Database]:
    """A fresh database on the real server, with the write concern of production."""
    client: MongoClient = MongoClient(mongo_url, w="majority", journal=True, tz_aware=True)
    yield client[f"test_{uuid4().hex}"]
    client.close()
