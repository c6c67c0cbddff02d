"""A micro-batch: the requests of one scoring message, as it leaves and while its reply is awaited."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ml.domain.scoring_batch import ScoringRequest
from ml.stores.decisions.decision_seal import DecisionSeal
from tasks.clock import SHARED_CLOCK
from web.http.errors import ScoringFailedError
from web.scoring.results import ScoringReply, ScoringResult, read_result
from web.scoring.scoring_call import QueuedRequest


@dataclass(frozen=True, slots=True)
class Batch:
    """One scoring message; `deadline_ms` is in epoch milliseconds, the latest of its callers'."""

    batch_id: str
    requests: tuple[ScoringRequest, ...]
    deadline_ms: int


@dataclass(slots=True, eq=False)
class BatchInFlight:
    """A batch whose reply is awaited.

    Attributes:
        queued: its requests.
        sent_at, deadline: on the monotonic clock, seconds; the deadline is the latest of its callers'.
        failure_counted: keeps its failure from being counted twice.
    """

    queued: list[QueuedRequest]
    sent_at: float
    deadline: float
    failure_counted: bool = False

    @classmethod
    def of(cls, queued: list[QueuedRequest]) -> "BatchInFlight":
        """Returns the batch of these requests, sent now."""
        return cls(queued, time.monotonic(), max(item.call.deadline for item in queued))

    def message(self) -> Batch:
        """Returns the content of the scoring message, under a new batch id."""
        deadline_ms = int((SHARED_CLOCK.now() + self.deadline - self.sent_at) * 1000)
        return Batch(secrets.token_hex(8), tuple(item.request for item in self.queued), deadline_ms)

    def read(self, reply: ScoringReply, seal: DecisionSeal | None) -> Sequence[ScoringResult]:
        """Returns one result per request; all have failed if the reply holds another number of them."""
        if len(reply.results) != len(self.queued):
            return [ScoringFailedError() for _ in self.queued]
        pairs = zip(reply.results, self.queued, strict=True)
        return [read_result(result, item.request, seal) for result, item in pairs]
