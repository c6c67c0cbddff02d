"""How a decision, or the problem in its place, is written into an answer."""

from typing import Any

from observability.context import get_correlation_id
from web.http.errors import problem_of
from web.http.problems import RETRY_AFTER
from web.protection.outages import spread
from web.scoring.results import Scored, ScoringResult


def decision_body(scored: Scored, total_ms: float) -> dict[str, Any]:
    """Returns the answer to one transaction: the recorded decision, then correlation id and timings of this request."""
    return {
        **scored.decision,
        "correlation_id": get_correlation_id(),
        "timings": {**scored.timings, "total_ms": round(total_ms, 3)},
    }


def batch_item(result: ScoringResult, transaction_id: str | None, total_ms: float) -> dict[str, Any]:
    """Returns one member of a batch answer; a problem names its transaction if that could be read."""
    if isinstance(result, Scored):
        return decision_body(result, total_ms)
    problem = problem_of(result)
    body = problem.body()
    if RETRY_AFTER in problem.headers:  # an item has no headers of its own
        body["retry_after_seconds"] = spread(float(problem.headers[RETRY_AFTER]))
    return body if transaction_id is None else {**body, "transaction_id": transaction_id}
