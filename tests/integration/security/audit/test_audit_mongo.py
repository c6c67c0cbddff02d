import pytest
from pymongo import MongoClient
from pymongo.database import Database

from security.audit.audit import AuditUnavailableError
from security.audit.audit_mongo import MongoAuditLog
from tests.contracts.audit_log import AuditLogContract, event


class TestMongoAuditLog(AuditLogContract):
    @pytest.fixture
    def audit(self, mongo_database: Database) -> MongoAuditLog:
        return MongoAuditLog(mongo_database["audit"])


def test_an_unreachable_mongo_raises_the_packages_own_error() -> None:
    client: MongoClient = MongoClient("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=200)
    audit = MongoAuditLog(client["test"]["audit"])
    for call in (lambda: audit.record([event(1)]), lambda: audit.latest(1)):
        with pytest.raises(AuditUnavailableError):
            call()
    client.close()
