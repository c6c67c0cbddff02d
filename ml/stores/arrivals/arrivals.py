"""Arrivals: which transactions a sink really holds, read from the sink itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Arrivals(Protocol):
    """Reads a sink's contents; every method may raise StoreUnavailableError."""

    def look(self, transaction_ids: Sequence[str], *, since_ms: int) -> "Found":
        """Returns which of these transactions it holds; none of them was answered before `since_ms`."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The transactions that a sink holds, of those asked for.

    Attributes:
        present: their ids.
        complete_since_ms: from when on the sink is complete, epoch milliseconds. Transactions answered earlier may
            have been held and dropped by the sink's own rules, as in a Kafka topic: their absence proves no loss.
    """

    present: set[str]
    complete_since_ms: int = 0
