"""Answers: status, headers and body of a request, whichever way it came in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from web.http.problems import CONTENT_TYPE as PROBLEM_CONTENT_TYPE
from web.http.problems import Problem


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; `headers` are those that it adds to the ones that every answer has."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(body: Any, status: int = 200) -> HttpAnswer:
    """Returns a JSON answer."""
    return HttpAnswer(orjson.dumps(body), status)


def problem_answer(problem: Problem) -> HttpAnswer:
    """Returns a problem as an answer."""
    return HttpAnswer(orjson.dumps(problem.body()), problem.kind.status, PROBLEM_CONTENT_TYPE, problem.headers)
