import pytest

from ml.stores.publications.publications import Publication
from ml.stores.publications.publications_memory import MemoryPublicationLog
from tests.contracts.publication_log import PublicationLogContract


class TestMemoryPublicationLog(PublicationLogContract):
    @pytest.fixture(autouse=True)
    def _log(self) -> None:
        self.log = MemoryPublicationLog()

    def published(self, topic: str, count: int) -> list[Publication]:
        return [event for event in self.log.published if event.topic == topic][:count]
