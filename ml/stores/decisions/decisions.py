"""Decision records: every transaction is decided once, whatever is retried."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import Undecided


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision to record, in the JSON that its readers get.

    Attributes:
        transaction_id: the idempotency key.
        fingerprint: 32 hex digits of the transaction's content; another value for the same id is a conflict.
        decision: `Decision.wire()` as JSON.
        transaction: `Transaction.wire()` as JSON.
        event: the outbox entry as JSON.
    """

    transaction_id: str
    fingerprint: str
    decision: bytes
    transaction: bytes
    event: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Where and how a batch is answered.

    Attributes:
        address: the waiting process's reply list; None if the committing process waits itself, and the commit
            returns the reply.
        batch_id: by which that process recognises a late reply to an earlier batch.
        timings: `{queue_ms, features_ms, model_ms}` of the batch.
    """

    address: str | None
    batch_id: str
    timings: dict[str, float]


class CommitOutcome(StrEnum):
    """The outcome of a commit for one entry.

    A decision is recorded; or the transaction was decided before, and that decision was answered again (repeated; the
    metrics' word is `replayed`) or its content differed (conflict); or the outbox was full. An undecided entry is only
    passed on. What stands in the record's place is none (untrusted): nothing is recorded. A decision that was answered
    without a record (PERF_MODE) is unrecorded.
    """

    RECORDED = "recorded"
    REPEATED = "repeated"
    CONFLICT = "conflict"
    OVERLOADED = "overloaded"
    PASSED_ON = "passed_on"
    UNTRUSTED = "untrusted"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class CommitReport:
    """The result of one commit.

    Attributes:
        outcomes: one per entry, in order.
        doorbells: the consumer groups for which no doorbell is queued yet; the caller sends them one.
        reply: the reply's JSON if it had no address; else None.
    """

    outcomes: tuple[CommitOutcome, ...]
    doorbells: tuple[str, ...]
    reply: bytes | None = None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A recorded decision and the transaction it answers, as the JSON that was recorded.

    `seal` is the record's, not verified yet; None if it carries none.
    """

    fingerprint: str
    decision_json: bytes
    transaction_json: bytes
    seal: str | None = None

    @property
    def decision(self) -> dict[str, Any]:
        """The decision in wire form."""
        decision: dict[str, Any] = orjson.loads(self.decision_json)
        return decision

    @property
    def transaction(self) -> dict[str, Any]:
        """The transaction in wire form."""
        transaction: dict[str, Any] = orjson.loads(self.transaction_json)
        return transaction


class PartlyReadError(StoreUnavailableError):
    """Some of several servers did not answer.

    Attributes:
        records: of all transactions asked for, in order; None for those that are not known or were not read.
        unread: the ids of the transactions whose records were not read.
    """

    def __init__(self, message: str, *, records: Sequence[DecisionRecord | None], unread: frozenset[str]) -> None:
        super().__init__(message)
        self.records = records
        self.unread = unread


class DecisionReader(Protocol):
    """Reads decision records; every method may raise StoreUnavailableError."""

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """Returns the record of a transaction, or None if it was never answered or has expired."""
        ...

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """Returns the records of several transactions in one round trip, in their order.

        Raises:
            PartlyReadError: some of several servers did not answer.
            StoreUnavailableError: none did.
        """
        ...


class DecisionStore(DecisionReader, Protocol):
    """Records decisions, feeds the outbox and wakes the waiting request, in one atomic step."""

    def commit(self, entries: Sequence[NewDecision | Undecided], reply: Reply) -> CommitReport:
        """Answers a batch in the order of its entries and records each new decision once.

        Raises:
            StoreUnavailableError: the store cannot be reached; whether the batch was recorded is unknown,
                and a retry is safe.
        """
        ...
