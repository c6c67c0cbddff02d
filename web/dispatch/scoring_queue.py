"""What the views see of scoring: hand requests over, collect one result each."""

from collections.abc import Sequence
from typing import Any, Protocol

from ml.domain.scoring_batch import ScoringRequest
from web.dispatch.scoring_results import ScoringResult


class Breaker(Protocol):
    """What the views see of a circuit breaker."""

    def check(self) -> None:
        """Does nothing unless nothing can be scored now.

        Raises:
            BreakerOpenError: it refuses.
        """
        ...


class ScoringQueue(Protocol):
    """Takes scoring requests: one dispatcher, or one per shard. A call is read by the queue that made it alone."""

    @property
    def breaker(self) -> Breaker:
        """Tells whether handing requests over has a point."""
        ...

    def score(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> list[ScoringResult]:
        """Returns one result per request, in order, after at most `timeout_seconds`.

        Raises:
            BreakerOpenError: the circuit breaker refuses.
            OverloadedError: too many wait already.
            ShuttingDownError: the process is shutting down.
        """
        ...

    def submit(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> Any:
        """Queues requests and returns the call that `collect` takes; raises like `score`."""
        ...

    def collect(self, call: Any) -> list[ScoringResult]:
        """Waits for a call's results; what is missing at its deadline is a DeadlineError."""
        ...

    def warm_up(self) -> None:
        """Connects ahead of the first request."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Refuses new requests and lets those under way be answered, within the timeout."""
        ...
