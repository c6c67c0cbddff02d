"""Flask: correlation id in and out, request metrics, one access log line per request.

A view adds what it knows to its request's line with `annotate(decision="approve", score=0.1)`.
"""

import time
from typing import Any

from flask import Flask, Response, g, request

from observability.context import (
    CORRELATION_HEADER,
    accept_correlation_id,
    get_correlation_id,
    reset_correlation_id,
    set_correlation_id,
)
from observability.requests import AnsweredRequest, record

_FACTS = "access_log_facts"
_STARTED = "access_log_started"
_BINDING = "correlation_id_binding"


def annotate(**facts: Any) -> None:
    """Adds fields to the access log line of the request under way."""
    request_facts().update(facts)


def request_facts() -> dict[str, Any]:
    """Returns the fields that the request under way adds to its access log line, to be added to."""
    facts: dict[str, Any] = g.setdefault(_FACTS, {})
    return facts


def instrument(app: Flask) -> None:
    """Connects the hooks. Call it before any other `before_request` is registered, so that its time counts too."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_unbind)


def _begin() -> None:
    setattr(g, _STARTED, time.perf_counter())
    setattr(g, _BINDING, set_correlation_id(accept_correlation_id(request.headers.get(CORRELATION_HEADER))))


def _end(response: Response) -> Response:
    correlation_id = get_correlation_id()
    if correlation_id is not None:
        response.headers[CORRELATION_HEADER] = correlation_id
    record(
        AnsweredRequest(
            method=request.method,
            route=request.url_rule.rule if request.url_rule is not None else None,
            status=response.status_code,
            seconds=time.perf_counter() - getattr(g, _STARTED, time.perf_counter()),
            user_agent=request.headers.get("User-Agent"),
            remote=request.remote_addr,
            facts=g.get(_FACTS, {}),
        )
    )
    return response


def _unbind(_error: BaseException | None) -> None:
    binding = g.pop(_BINDING, None)
    if binding is not None:
        reset_correlation_id(binding)
