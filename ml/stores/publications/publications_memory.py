"""Publications in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.stores.publications.publications import Publication
from ml.stores.refused import Refused

_MOST_BYTES = 1_000_000
"""As Kafka's client: `message.max.bytes`."""


class MemoryPublicationLog:
    """Collects events.

    Attributes:
        published: what was published, oldest first.
    """

    def __init__(self) -> None:
        self.published: list[Publication] = []

    def publish(self, publications: Sequence[Publication]) -> dict[int, Refused]:
        """See `PublicationLog.publish`."""
        refused = {
            position: Refused("the event is too large", is_certain=True)
            for position, publication in enumerate(publications)
            if len(publication.value) > _MOST_BYTES
        }
        self.published.extend(
            publication for position, publication in enumerate(publications) if position not in refused
        )
        return refused
