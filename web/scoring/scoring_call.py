"""One caller's wait for the results of its requests."""

import threading
import time
from dataclasses import dataclass, field

from ml.domain.scoring_batch import ScoringRequest
from web.http.errors import DeadlineError
from web.scoring.results import ScoringResult


@dataclass(slots=True, eq=False)
class ScoringCall:
    """One submission: its results as far as they are known, and the event that ends the wait.

    Attributes:
        deadline: on the monotonic clock, seconds.
        results: one per request, in order; None while it is not known.
        missing: how many results are not known yet.
        done: set once none is missing.
    """

    deadline: float
    results: list[ScoringResult | None]
    missing: int
    done: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, requests: int, timeout_seconds: float) -> "ScoringCall":
        """Returns the call of that many requests, whose deadline is the timeout from now."""
        return cls(time.monotonic() + timeout_seconds, [None] * requests, requests)

    def wait(self) -> None:
        """Returns once no result is missing, or at the deadline."""
        if self.missing:
            self.done.wait(max(0.0, self.deadline - time.monotonic()))

    def results_by_now(self) -> list[ScoringResult]:
        """Returns the results; one that is still missing is a DeadlineError."""
        return [DeadlineError() if result is None else result for result in self.results]


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """One request of a call, waiting or in flight; `position` is that of its result."""

    request: ScoringRequest
    call: ScoringCall
    position: int
