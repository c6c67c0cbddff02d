"""Answers: status, headers and body of a request, whichever way it came in; and how a decision is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from observability.context import get_correlation_id
from web.dispatch.scoring_results import Scored, ScoringResult
from web.http.errors import problem_of
from web.http.problems import CONTENT_TYPE as PROBLEM_CONTENT_TYPE
from web.http.problems import Problem


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What is sent back; `headers` are those that this answer adds to the ones that every answer has."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(body: Any, status: int = 200) -> HttpAnswer:
    """Returns a JSON answer."""
    return HttpAnswer(orjson.dumps(body), status)


def problem_answer(problem: Problem) -> HttpAnswer:
    """Returns the answer that tells of a problem."""
    return HttpAnswer(orjson.dumps(problem.body()), problem.kind.status, PROBLEM_CONTENT_TYPE, problem.headers)


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
    body = problem_of(result).body()
    return body if transaction_id is None else {**body, "transaction_id": transaction_id}
