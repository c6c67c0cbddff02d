"""Arrivals: what a sink is found to hold when it is asked itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Arrivals(Protocol):
    """What a sink holds; every method may raise StoreUnavailableError."""

    def look(self, transaction_ids: Sequence[str], *, since_ms: int) -> "Found":
        """Looks which of these transactions it holds; none of them was answered before `since_ms`."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a sink was found to hold.

    Attributes:
        present: those of the transactions asked for that it holds.
        complete_since_ms: what was answered before, epoch milliseconds, it may have held and dropped by its own rules,
            as a Kafka topic does: its absence says nothing.
    """

    present: set[str]
    complete_since_ms: int = 0
