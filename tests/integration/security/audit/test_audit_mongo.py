from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from security.audit.audit import AuditEvent, AuditUnavailableError
from security.audit.audit_mongo import MongoAuditLog
from tests.contracts.audit_log import AuditLogContract, event
from tests.mongo_sorts import is_indexed, watched


class TestMongoAuditLog(AuditLogContract):
    @pytest.fixture
    def audit(self, mongo_database: Database) -> MongoAuditLog:
        return MongoAuditLog(mongo_database["audit"])


def test_the_latest_are_sorted_by_an_index(mongo_url: str, mongo_database: Database) -> None:
    with watched(mongo_url, mongo_database) as (database, watch):
        audit = MongoAuditLog(database["audit"])
        audit.create_indexes()
        audit.latest(10)
        (sort,) = watch.sorts
        assert is_indexed(database["audit"], sort)


def test_an_unreachable_mongo_raises_the_packages_own_error() -> None:
    client: MongoClient = MongoClient("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=200)
    audit = MongoAuditLog(client["test"]["audit"])
    for call in (lambda: audit.record([event(1)]), lambda: audit.latest(1), lambda: audit.since("", "x")):
        with pytest.raises(AuditUnavailableError):
            call()
    client.close()


@pytest.mark.parametrize("content", [{}, {"details": None}, {"details": [1], "by": None}, {"reason": 7}])
def test_a_document_that_lacks_what_an_event_has_hides_no_event(
    mongo_database: Database, content: dict[str, Any]
) -> None:
    audit = MongoAuditLog(mongo_database["audit"])
    good = event(1)
    audit.record([good])
    mongo_database["audit"].insert_one({"action": good.action, "at": "9999"} | content)
    stranger = AuditEvent(good.action, "", "9999", str(content.get("reason", "")))
    assert audit.latest(2) == audit.since("", good.action) == [stranger, good]
