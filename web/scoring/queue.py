"""The scoring queue as the views see it: submit requests, collect one result each."""

from collections.abc import Sequence
from typing import Any, Protocol

from ml.domain.scoring_batch import ScoringRequest
from web.scoring.results import ScoringResult


class Breaker(Protocol):
    """A circuit breaker as the views see it."""

    def check(self) -> None:
        """Does nothing, unless no request can be scored now.

        Raises:
            BreakerOpenError: it refuses.
        """
        ...


class ScoringQueue(Protocol):
    """Takes scoring requests: one dispatcher, or one per shard. Only the queue that returned a call can read it."""

    @property
    def breaker(self) -> Breaker:
        """Refuses while no request can be scored."""
        ...

    def submit(self, requests: Sequence[ScoringRequest], timeout_seconds: float) -> Any:
        """Queues requests, to be scored within the timeout, and returns the call that `collect` takes.

        Raises:
            BreakerOpenError: the circuit breaker refuses.
            OverloadedError: too many wait already.
            ShuttingDownError: the process is shutting down.
        """
        ...

    def collect(self, call: Any) -> list[ScoringResult]:
        """Returns one result per request, in order, at the deadline at the latest; a missing one is a DeadlineError."""
        ...

    def warm_up(self) -> None:
        """Connects ahead of the first request."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Refuses new requests and lets those under way be answered, within the timeout."""
        ...
