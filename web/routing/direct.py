"""The way past Flask for routes without path parameters, scoring first among them.

Flask remains the frame: it holds the routes, and answers all others, whatever is unknown and wrong methods. But its
request and response objects, contexts and hooks cost more than scoring needs, so a request whose method and path are
those of an endpoint goes from the WSGI environment to the endpoint and back, with the same checks, headers, metrics
and log line. Source: ops/adr/0008.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

from observability.context import (
    CORRELATION_HEADER,
    accept_correlation_id,
    reset_correlation_id,
    set_correlation_id,
)
from observability.requests import AnsweredRequest, record
from settings import Settings
from web.http.answers import HttpAnswer
from web.http.exchange import Exchange
from web.http.headers import security_headers
from web.routing.operations import Endpoint, Operation
from web.services import Services

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_CORRELATION_KEY = "HTTP_" + CORRELATION_HEADER.upper().replace("-", "_")


class DirectRoutes:
    """A WSGI application that answers some endpoints itself and hands everything else on.

    Args:
        fallback: answers the rest.
        endpoints: those to answer here; ones with path parameters are left to the fallback.
        settings: of this process.
        services: returns what they work with.
        answer_error: makes an answer of whatever an endpoint raised.
    """

    def __init__(
        self,
        fallback: WSGIApplication,
        endpoints: Iterable[Endpoint],
        *,
        settings: Settings,
        services: Callable[[], Services],
        answer_error: Callable[[Exception, dict[str, Any]], HttpAnswer],
    ) -> None:
        self._fallback = fallback
        self._endpoints = {
            (item.declared.method, item.declared.path): item for item in endpoints if "{" not in item.declared.path
        }
        self._settings = settings
        self._services = services
        self._answer_error = answer_error
        self._always = extra_headers(settings)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        endpoint = self._endpoints.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if endpoint is None:
            return self._fallback(environ, start_response)
        correlation_id = accept_correlation_id(environ.get(_CORRELATION_KEY))
        binding = set_correlation_id(correlation_id)
        try:
            exchange = Exchange(environ)
            answer = self._answer(endpoint, exchange)
            seconds = exchange.elapsed_ms() / 1000
            # Written and not returned: the caller has its answer before it is measured and logged.
            write = start_response(_STATUS_LINES[answer.status], self._headers(exchange, answer, correlation_id))
            try:
                write(answer.body)
            finally:
                _record(endpoint.declared, exchange, answer.status, seconds)
        finally:
            reset_correlation_id(binding)
        return ()

    def _answer(self, endpoint: Endpoint, exchange: Exchange) -> HttpAnswer:
        try:
            return endpoint.answer(self._services(), exchange, {})
        except Exception as error:  # noqa: BLE001 - the one table says what each is answered
            return self._answer_error(error, exchange.facts)

    def _headers(self, exchange: Exchange, answer: HttpAnswer, correlation_id: str) -> list[tuple[str, str]]:
        over_tls = is_over_tls(exchange.environ, self._settings)
        return [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            (CORRELATION_HEADER, correlation_id),
            *answer.headers.items(),
            *exchange.rate_limit_headers().items(),
            *security_headers(page=False, over_tls=over_tls).items(),
            *self._always.items(),
        ]


def _record(declared: Operation, exchange: Exchange, status: int, seconds: float) -> None:
    record(
        AnsweredRequest(
            method=declared.method,
            route=declared.path,
            status=status,
            seconds=seconds,
            user_agent=exchange.header("User-Agent"),
            remote=exchange.environ.get("REMOTE_ADDR"),
            facts=exchange.facts,
        )
    )


def is_over_tls(environ: Mapping[str, Any], settings: Settings) -> bool:
    """Whether the client speaks TLS, to us or to the proxy before us."""
    return environ["wsgi.url_scheme"] == "https" or settings.tls_terminated_by_proxy


def extra_headers(settings: Settings) -> Mapping[str, str]:
    """Returns the headers that settings add to every answer."""
    return {"X-Perf-Mode": "on"} if settings.perf_mode else {}
