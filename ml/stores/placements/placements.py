"""Placements: on which shard a transaction is decided, remembered for as long as its decision is.

New transactions go to their customer's shard. Once one has been seen it stays where it was, whatever body comes under
its id and however many shards there are by then: the record that makes it idempotent is there and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Placement:
    """The shard of a transaction; `is_new` unless it had been placed before."""

    shard: str
    is_new: bool


class Placements(Protocol):
    """Where transactions are; every method may raise StoreUnavailableError."""

    def place(self, proposals: Sequence[tuple[str, str]]) -> list[Placement]:
        """Returns where transactions belong, in order; one that had no place gets the proposed one.

        A placement lives on for its whole life from each time it is asked for here.

        Args:
            proposals: transaction id and shard of each; the first proposal for an id counts.
        """
        ...

    def find_many(self, transaction_ids: Sequence[str]) -> list[str | None]:
        """Returns the shards of transactions, None for those never placed, in order."""
        ...
