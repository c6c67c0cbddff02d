"""A sink's contents in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.stores.arrivals.arrivals import Found


class MemoryArrivals:
    """Knows the transactions that it was given.

    Attributes:
        held: their ids.
        complete_since_ms: see `Found`.
    """

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.complete_since_ms = 0

    def look(self, transaction_ids: Sequence[str], *, since_ms: int) -> Found:  # noqa: ARG002 - the protocol's signature
        """See `Arrivals.look`."""
        return Found(self.held & set(transaction_ids), self.complete_since_ms)
