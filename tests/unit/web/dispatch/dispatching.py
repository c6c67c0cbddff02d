from collections.abc import Sequence

from ml.domain.scoring_batch import ScoringRequest
from web.scoring.queue import ScoringQueue
from web.scoring.results import ScoringResult


def dispatch(queue: ScoringQueue, requests: Sequence[ScoringRequest], timeout_seconds: float) -> list[ScoringResult]:
    return queue.collect(queue.submit(requests, timeout_seconds))
