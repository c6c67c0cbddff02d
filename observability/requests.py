"""Metrics and the access log line of every answered HTTP request, on the Flask route and on the raw one."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from prometheus_client import Counter, Histogram

from observability import metrics

UNMATCHED_ROUTE = "(unmatched)"
"""Route of requests that no route matches: the client chose the path, so it must not become a label."""

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_MAX_USER_AGENT_CHARACTERS = 256

_access_log = logging.getLogger("access")


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """One request and its answer.

    Attributes:
        method: as sent.
        route: the route's template, None if none matched.
        status: HTTP status.
        seconds: from the request's arrival to its answer.
        user_agent: as sent.
        remote: the peer's address; the log's mask shortens it.
        facts: further log fields: decision, score, model_version, reason, ….
    """

    method: str
    route: str | None
    status: int
    seconds: float
    user_agent: str | None = None
    remote: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram, Histogram]:
    """Returns the metrics of one kind of request; the cache grows no larger than the metrics themselves."""
    return (
        metrics.requests_total.labels(method, route, str(status)),
        metrics.request_latency_seconds.labels(method, route),
        metrics.request_latency_ms.labels(method, route),
    )


def record(answered: AnsweredRequest) -> None:
    """Counts and times the request and writes its one line to the access log."""
    method = answered.method if answered.method in _METHODS else "OTHER"
    route = answered.route or UNMATCHED_ROUTE
    counter, in_seconds, in_milliseconds = _series(method, route, answered.status)
    counter.inc()
    in_seconds.observe(answered.seconds)
    in_milliseconds.observe(answered.seconds * 1000)
    _access_log.info(
        "%s %s %d",
        method,
        route,
        answered.status,
        extra={
            **answered.facts,
            "method": method,
            "route": route,
            "status": answered.status,
            "duration_ms": round(answered.seconds * 1000, 3),
            "user_agent": (answered.user_agent or "")[:_MAX_USER_AGENT_CHARACTERS],
            "remote": answered.remote,
        },
    )
