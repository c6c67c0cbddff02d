"""The outbox as one consumer sees it: entries to deliver, acknowledged only after the sink has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from settings.queues import SHARD_CONSUMER_GROUPS

SINKS: Final = SHARD_CONSUMER_GROUPS
"""The consumer groups of the stream of decisions, named after the sink each one delivers to."""

_LONGEST_RETRY_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One entry of a stream.

    Attributes:
        entry_id: the stream's own id, ordered by time of writing.
        transaction_id: the transaction it belongs to.
        body: the raw JSON.
        deliveries: how often a write of it to the sink has begun; reading it alone costs it nothing.
        only: the one group it is meant for (a re-driven or repaired entry); None for all.
    """

    entry_id: str
    transaction_id: str
    body: bytes
    deliveries: int
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """What a consumer group has not delivered.

    Attributes:
        entries: the unacknowledged entries.
        oldest_seconds: the age of the oldest of them; 0 if there is none.
        dead_letters: the entries that were given up.
    """

    entries: int
    oldest_seconds: float
    dead_letters: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that was given up, and why."""

    letter_id: str
    entry_id: str
    transaction_id: str
    body: bytes
    reason: str


class Outbox(Protocol):
    """A consumer group's view of a stream; every method may raise StoreUnavailableError."""

    def read_pending(self, count: int) -> list[OutboxEntry]:
        """Returns again the entries that this consumer or a dead one left unacknowledged.

        One whose last delivery failed is left out until its wait is over, see `retry_wait_seconds`.
        """
        ...

    def read_new(self, count: int) -> list[OutboxEntry]:
        """Returns the next entries that no consumer of the group has seen, oldest first."""
        ...

    def acknowledge(self, entries: Sequence[OutboxEntry]) -> None:
        """Marks entries as delivered; the sink has them."""
        ...

    def pass_over(self, entries: Sequence[OutboxEntry]) -> None:
        """Takes entries that are meant for another group out of this one's way; what is awaited stays so."""
        ...

    def begin(self, entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
        """Counts a delivery of each entry, just before it is written.

        Returns the entries as counted; without those that another consumer has acknowledged meanwhile.
        """
        ...

    def release(self, entries: Sequence[OutboxEntry]) -> None:
        """Takes back a delivery that failed through no fault of the entries: it does not count against them."""
        ...

    def defer(self, entries: Sequence[OutboxEntry]) -> None:
        """Releases entries that wait for a part of the sink: they are not read before other pending ones every time."""
        ...

    def bury(self, entry: OutboxEntry, reason: str) -> None:
        """Moves an entry to the dead letters and acknowledges it, atomically."""
        ...

    def lag(self) -> Lag:
        """Returns how much is not acknowledged yet."""
        ...

    def clear_doorbell(self) -> None:
        """Clears the mark of a queued doorbell: the next commit asks for a new one."""
        ...

    def trim(self) -> int:
        """Removes the entries that every group of the stream has acknowledged; returns how many."""
        ...

    def dead_letters(self, count: int) -> list[DeadLetter]:
        """Returns the oldest dead letters."""
        ...

    def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """Puts dead letters back into the stream for this group; returns how many."""
        ...


def wire_event(body: bytes) -> dict[str, Any]:
    """Parses an outbox body.

    Raises:
        ValueError: it is not a JSON object.
    """
    event = orjson.loads(body)
    if not isinstance(event, dict):
        raise ValueError("the entry is not a JSON object")  # noqa: TRY004 - the caller handles one kind of bad entry
    return event


def retry_wait_seconds(deliveries: int, first_seconds: float) -> float:
    """Returns how long an entry waits after so many deliveries that failed: twice as long after each.

    >>> [retry_wait_seconds(deliveries, 1.0) for deliveries in (0, 1, 2, 3, 50)]
    [0.0, 1.0, 2.0, 4.0, 60.0]
    """
    return 0.0 if deliveries < 1 else min(first_seconds * 2.0 ** min(deliveries - 1, 32), _LONGEST_RETRY_WAIT_SECONDS)
