import pytest

from security.audit.audit_memory import MemoryAuditLog
from tests.contracts.audit_log import AuditLogContract


class TestMemoryAuditLog(AuditLogContract):
    @pytest.fixture
    def audit(self) -> MemoryAuditLog:
        return MemoryAuditLog()
