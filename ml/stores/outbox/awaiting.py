"""Answered transactions that a sink has not acknowledged yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Awaiting:
    """An answered transaction that a sink has not acknowledged; `since_ms` is when it entered the stream."""

    transaction_id: str
    since_ms: int


class AwaitingIndex(Protocol):
    """Answered transactions that one sink has not acknowledged; every method may raise StoreUnavailableError."""

    def overdue(self, *, before_ms: int, count: int) -> list[Awaiting]:
        """Returns those waiting since before a moment, epoch milliseconds, the longest waiting first."""
        ...

    def held(self, awaiting: Sequence[Awaiting]) -> set[str]:
        """Returns the ids that the stream or the sink's dead letters still hold."""
        ...

    def awaiting(self, transaction_ids: Sequence[str]) -> set[str]:
        """Returns those of the transactions that are on the list."""
        ...

    def acknowledge(self, transaction_ids: Sequence[str]) -> None:
        """Takes transactions off the list: the sink has them, or they cannot be repaired."""
        ...

    def repair(self, transaction_id: str, event: bytes, *, awaited_since_ms: int | None) -> bool:
        """Puts an event into the stream again, for this sink alone, and returns True.

        Returns False, and changes nothing, if the transaction is no longer awaited since that moment: it was
        acknowledged, or put back by another, after the caller looked. None stands for one that is not on the list.
        """
        ...
