"""The way of every request: past Flask for routes without path parameters, scoring first among them; else through it.

Flask remains the frame: it holds the routes, and answers all others, unknown paths and wrong methods. But its request
and response objects, contexts and hooks cost more than scoring needs, so a request whose method and path are those of
an endpoint goes from the WSGI environment to the endpoint and back. Both ways have the same checks, and end in the same
`Finish`. Source: ops/adr/0008.

Routes are found by the path as it stood on the request line, and only in its one spelling (`web.routing.spelling`).
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

from werkzeug.exceptions import MethodNotAllowed, NotFound

from observability.context import CORRELATION_HEADER, accept_correlation_id, reset_correlation_id, set_correlation_id
from web.http.answers import HttpAnswer
from web.http.exchange import Exchange
from web.routing.finish import ErrorInfo, Finish, Write
from web.routing.operations import Endpoint
from web.routing.spelling import is_plain, path_of
from web.services import Services

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_CORRELATION_KEY = "HTTP_" + CORRELATION_HEADER.upper().replace("-", "_")


class DirectRoutes:
    """A WSGI application that answers some endpoints itself and hands everything else to Flask.

    Args:
        flask: answers the rest.
        endpoints: those to answer here; ones with path parameters are left to Flask.
        finish: ends every answer.
        services: returns the services of this process.
        answer_error: makes an answer of any exception that an endpoint raised.
    """

    def __init__(
        self,
        flask: WSGIApplication,
        endpoints: Iterable[Endpoint],
        *,
        finish: Finish,
        services: Callable[[], Services],
        answer_error: Callable[[Exception, Exchange], HttpAnswer],
    ) -> None:
        self._flask = flask
        self._endpoints = {
            (item.declared.method, item.declared.path): item for item in endpoints if "{" not in item.declared.path
        }
        self._methods: dict[str, set[str]] = {}
        for method, path in self._endpoints:
            self._methods.setdefault(path, set()).add(method)
        self._finish = finish
        self._services = services
        self._answer_error = answer_error

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        exchange = Exchange(environ, accept_correlation_id(environ.get(_CORRELATION_KEY)))
        binding = set_correlation_id(exchange.correlation_id)
        path = path_of(environ["RAW_URI"])
        endpoint = self._endpoints.get((environ["REQUEST_METHOD"], path))
        try:
            if endpoint is not None:
                exchange.route = endpoint.declared.path
                return self._begin(exchange, start_response, self._answer(endpoint, exchange))
            refusal = self._refusal(environ["REQUEST_METHOD"], path)
            if refusal is None:
                return self._through_flask(exchange, start_response)
            return self._begin(exchange, start_response, self._answer_error(refusal, exchange))
        finally:
            self._finish.record(exchange)
            reset_correlation_id(binding)

    def _refusal(self, method: str, path: str) -> Exception | None:
        """Returns why a request that is no endpoint's does not reach Flask; None if it may.

        A path without parameters has the methods declared for it, and is no parameter of another: `/predictions/score`
        is no id.
        """
        if not is_plain(path):
            return NotFound()
        methods = self._methods.get(path, ())
        if not methods or (method == "HEAD" and "GET" in methods):  # Flask answers HEAD as GET without its body
            return None
        return MethodNotAllowed(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))

    def _begin(self, exchange: Exchange, start_response: StartResponse, answer: HttpAnswer) -> Iterable[bytes]:
        own = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers.items(),
        ]
        # Written and not returned: the caller has its answer before it is measured and logged.
        self._finish.begin(exchange, start_response, _STATUS_LINES[answer.status], own)(answer.body)
        return ()

    def _answer(self, endpoint: Endpoint, exchange: Exchange) -> HttpAnswer:
        try:
            return endpoint.answer(self._services(), exchange, {})
        except Exception as error:  # noqa: BLE001 - one table lists how each is answered
            return self._answer_error(error, exchange)

    def _through_flask(self, exchange: Exchange, start_response: StartResponse) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], error: ErrorInfo | None = None, /) -> Write:
            page = any(name == "Content-Type" and value.startswith("text/html") for name, value in headers)
            return self._finish.begin(exchange, start_response, status, headers, page=page, error=error)

        exchange.keep_in_environ()
        return self._flask(exchange.environ, begin)
