"""Publications in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.stores.publications.publications import Publication


class MemoryPublicationLog:
    """Collects events.

    Attributes:
        published: what was published, oldest first.
    """

    def __init__(self) -> None:
        self.published: list[Publication] = []

    def publish(self, publications: Sequence[Publication]) -> dict[int, str]:
        """See `PublicationLog.publish`."""
        self.published.extend(publications)
        return {}
