"""`/status`: the operator's page, and `/admin/status`: the same as JSON for `python -m ops status --watch`.

A browser gets in by a link that an administrator asked for (`security.tokens.page_sessions`); an administrator's token
or client certificate opens the page as well. Neither page nor JSON is signed, so that both stay readable while Redis is
down: a look is shared by all who look within the same second, changes nothing, and answers 200 whatever is away.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from importlib import resources
from typing import Final

from flask import Blueprint, Response, current_app, request
from prometheus_client.samples import Sample as Measured
from werkzeug.exceptions import NotFound

from ml.domain.errors import RetryableError
from ml.registry.registry import RegistryError, VersionInfo
from observability.exposition import samples
from observability.metrics import auth_failures_total
from security.roles import Role
from tasks.upkeep.queue_status import WorkerStatus
from web.http import examples, problems
from web.http.answers import HttpAnswer, json_answer
from web.http.errors import LinkRefusedError
from web.http.exchange import Exchange, exchange_of
from web.http.schemas.administration import StatusAnswer, StatusLinkAnswer
from web.http.schemas.requests import StatusSessionRequest
from web.routing import guards
from web.routing.operations import Answer, Call, Operation, operation
from web.routing.safe_mode import safe_mode_state
from web.services import Services, services_of
from web.status.overview import Overview
from web.status.page import sign_in_page, status_page
from web.status.samples import Sample, Window
from web.status.sections import Observed, overview

blueprint = Blueprint("status", __name__)

_COOKIE: Final = "shrike_status"
_HTML: Final = "text/html; charset=utf-8"
_REQUESTS: Final = "fraud_backend_requests_total"
_LATENCY: Final = "fraud_backend_request_latency_seconds"
_DECISIONS: Final = "model_decisions_total"
_METRICS: Final = (_REQUESTS, _LATENCY, _DECISIONS, "circuit_breaker_state")
_KINDS: Final = ("approve", "review", "decline")
_SCORING_PATHS: Final = frozenset({"/predictions/score", "/predictions/score/batch"})
_CONTENT_TYPES: Final = {
    "status.css": "text/css; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "sign-in.js": "text/javascript; charset=utf-8",
}


@operation(
    blueprint,
    Operation(
        name="status",
        method="GET",
        path="/admin/status",
        tag="Administration",
        summary="See whether all is well",
        description="What the page /status shows: a verdict, what is not well, and the figures behind it. Always 200: "
        "what cannot be seen is said to be so. Needs no request signature.",
        role=Role.ADMIN,
        signed=False,
        answer=Answer(description="The status.", model=StatusAnswer, example=examples.STATUS),
    ),
)
def status(call: Call) -> HttpAnswer:
    """Returns the overview."""
    return json_answer(_overview(call.services).wire())


@operation(
    blueprint,
    Operation(
        name="make_status_link",
        method="POST",
        path="/admin/status/links",
        tag="Administration",
        summary="Make a link to the status page",
        description="Takes no body. Within five minutes the link opens /status once, in one browser, for twelve hours "
        "or JWT_MAX_LIFETIME_SECONDS, whichever is less.",
        role=Role.ADMIN,
        answer=Answer(description="The link.", model=StatusLinkAnswer, example=examples.STATUS_LINK),
        problems=(problems.UNAVAILABLE,),
    ),
)
def make_status_link(call: Call) -> HttpAnswer:
    """Makes a link for the caller."""
    link, expires_at = call.services.sessions.make_link(call.subject)
    return json_answer({"path": f"/status/sign-in#{link}", "expires_at": expires_at})


@operation(
    blueprint,
    Operation(
        name="open_status_session",
        method="POST",
        path="/status/session",
        tag="Administration",
        summary="Open the status page with a link",
        description="What the page behind a link does: the answer sets a cookie that opens /status and nothing else.",
        body=StatusSessionRequest,
        body_example=examples.STATUS_SESSION_REQUEST,
        answer=Answer(description="Opened.", model=None),
        problems=(problems.LINK_REFUSED,),
    ),
)
def open_status_session(call: Call) -> HttpAnswer:
    """Exchanges a link for the cookie."""
    sessions = call.services.sessions
    cookie = sessions.open(call.body.link)
    if cookie is None:
        auth_failures_total.labels(reason="link_refused").inc()
        raise LinkRefusedError
    over_tls = call.services.settings.tls_terminated_by_proxy or call.exchange.environ["wsgi.url_scheme"] == "https"
    attributes = f"Path=/status; Max-Age={sessions.session_seconds}; HttpOnly; SameSite=Strict"
    secure = "; Secure" if over_tls else ""
    return HttpAnswer(b"{}", headers={"Set-Cookie": f"{_COOKIE}={cookie}; {attributes}{secure}"})


@blueprint.get("/status")
def page() -> Response:
    """Returns the page to an administrator, and leads every other browser to the way in."""
    services, exchange = services_of(current_app), exchange_of(request.environ)
    if exchange.header("Authorization") is not None or services.certificates is not None:
        guards.authenticate(services, exchange, Role.ADMIN)
    elif services.sessions.subject(_cookie(exchange)) is None:
        return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/status/sign-in"}, content_type=_HTML)
    return Response(status_page(_overview(services)), content_type=_HTML)


@blueprint.get("/status/sign-in")
def sign_in() -> Response:
    """Returns the page that a link leads to."""
    return Response(sign_in_page(), content_type=_HTML)


@blueprint.get("/status/<name>")
def asset(name: str) -> Response:
    """Returns a file that the pages load."""
    if name not in _CONTENT_TYPES:
        raise NotFound
    content = resources.files("web").joinpath("static", name).read_bytes()
    return Response(content, content_type=_CONTENT_TYPES[name])


def _cookie(exchange: Exchange) -> str:
    try:
        morsel = SimpleCookie(exchange.header("Cookie") or "").get(_COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _overview(services: Services) -> Overview:
    return services.status.overview(lambda: overview(_observe(services)))


def _observe(services: Services) -> Observed:
    """Looks at everything; what does not answer is None."""
    now, settings, monitor, own = time.time(), services.settings, services.monitor, services.local_scoring
    found = samples(_METRICS, settings.prometheus_multiproc_dir)
    seen = Observed(
        at=now,
        window=Window(None, {}, {}, {}),
        safe_mode=safe_mode_state(services),
        rules_decide=settings.safe_mode_policy == "rules",
        perf_mode=settings.perf_mode,
        breakers={s.labels["dependency"]: s.value for s in found if s.name == "circuit_breaker_state"},
        versions=_versions(services),
        own_model=None if own is None else own.version,
        scores_itself=own is not None,
    )
    try:
        monitor.check_writes()
        workers = monitor.workers()
        return replace(
            seen,
            workers=workers,
            queues=monitor.queues(workers),
            lags=monitor.lags(),
            shards=monitor.shards(workers),
            window=services.status.samples.window(_sample(now, found, workers)),
        )
    except RetryableError:  # half a view would read as if the rest were well
        return replace(seen, window=services.status.samples.window(_sample(now, found, ())))


def _sample(now: float, found: Sequence[Measured], workers: Sequence[WorkerStatus]) -> Sample:
    answers: defaultdict[str, float] = defaultdict(float)
    latency: defaultdict[str, float] = defaultdict(float)
    decisions: defaultdict[str, float] = defaultdict(float)
    for measured in found:
        if measured.name == _REQUESTS and measured.labels["path"] in _SCORING_PATHS:
            answers[measured.labels["status"]] += measured.value
        elif measured.name == f"{_LATENCY}_bucket" and measured.labels["path"] == "/predictions/score":
            latency[measured.labels["le"]] += measured.value
        elif measured.name == _DECISIONS:  # of a web process that scores by itself
            decisions[measured.labels["decision"]] += measured.value
    for worker in workers:
        for kind in _KINDS:
            decisions[kind] += worker.figures.get(kind, 0.0)
    return Sample(now, dict(answers), dict(latency), dict(decisions))


def _versions(services: Services) -> list[VersionInfo] | None:
    try:
        return services.registry.versions()
    except (RegistryError, OSError):
        return None
