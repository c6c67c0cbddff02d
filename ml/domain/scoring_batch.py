"""Messages between the web process and a scoring worker: a batch of requests, and its results."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from ml.domain.transaction import Transaction


class ResultStatus(StrEnum):
    """How a scoring request ended."""

    SCORED = "scored"
    CONFLICT = "conflict"
    OVERLOADED = "overloaded"
    EXPIRED = "expired"
    SAFE_MODE = "safe_mode"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """One transaction to score for one waiting request; `shard` is where it belongs, None if that is not known."""

    transaction: Transaction
    fingerprint: str
    correlation_id: str
    shard: str | None = None

    def wire(self) -> dict[str, Any]:
        """Returns the JSON-ready form that travels in a scoring message."""
        return {
            "transaction": self.transaction.wire(),
            "fingerprint": self.fingerprint,
            "correlation_id": self.correlation_id,
        }

    @classmethod
    def from_wire(cls, item: dict[str, Any]) -> "ScoringRequest":
        """Rebuilds a request from its wire form; the transaction is validated again.

        Raises:
            KeyError: a member is missing.
            pydantic.ValidationError: the transaction is malformed.
        """
        return cls(Transaction.model_validate(item["transaction"]), item["fingerprint"], item["correlation_id"])


@dataclass(frozen=True, slots=True)
class ScoringBatch:
    """The requests of one scoring message.

    Attributes:
        batch_id: unique per message.
        reply_to: the reply list of the waiting process; None if that is the one that scores.
        deadline_ms: epoch milliseconds after which no caller waits any more.
        sent_ms: epoch milliseconds at which the message was sent.
        requests: in the order in which the results are expected.
        recorded: whether the decisions are to be recorded; only PERF_MODE does without.
    """

    batch_id: str
    reply_to: str | None
    deadline_ms: int
    sent_ms: int
    requests: tuple[ScoringRequest, ...]
    recorded: bool = True


@dataclass(frozen=True, slots=True)
class Undecided:
    """The result of a request that ended without a decision; it needs no record."""

    status: ResultStatus
    reason: str | None = None

    def json(self) -> bytes:
        """Returns the result as the waiting process reads it; absent members are left out."""
        body: dict[str, Any] = {"status": self.status}
        if self.reason is not None:
            body["reason"] = self.reason
        return orjson.dumps(body)
