import pytest

from ml.stores.labels.label_inbox_memory import MemoryLabelInbox
from ml.stores.outbox.outbox_memory import MemoryOutbox, MemoryStream
from tests.contracts.label_inbox import SIGNER, LabelInboxContract


class TestMemoryLabelInbox(LabelInboxContract):
    @pytest.fixture(autouse=True)
    def _inbox(self) -> None:
        stream = MemoryStream()
        self.inbox = MemoryLabelInbox(stream, SIGNER)
        self.outbox = MemoryOutbox(stream, "labels")
