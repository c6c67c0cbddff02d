"""Finishes every answer in one way, whether a direct route or Flask made it: its headers, its metrics, its log line."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeAlias
from wsgiref.types import StartResponse

from observability.context import CORRELATION_HEADER
from observability.requests import AnsweredRequest, record
from settings import Settings
from web.http.exchange import Exchange
from web.http.headers import security_headers
from web.protection.outages import Outages

Headers: TypeAlias = Sequence[tuple[str, str]]
Write: TypeAlias = Callable[[bytes], object]
ErrorInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Finish:
    """Adds the shared headers to each answer, and records it; one object per process.

    Args:
        settings: of this process.
        outages: learns of every success.
    """

    def __init__(self, settings: Settings, outages: Outages) -> None:
        self._outages = outages
        self._is_behind_tls_proxy = settings.tls_terminated_by_proxy
        self._always = {"X-Perf-Mode": "on"} if settings.perf_mode else {}

    def begin(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        status: str,
        headers: Headers,
        *,
        page: bool = False,
        error: ErrorInfo | None = None,
    ) -> Write:
        """Starts an answer with its own headers and those of every answer, and notes its status and its time.

        Args:
            exchange: the request.
            start_response: of the server.
            status: the status line without the version.
            headers: of this answer alone.
            page: whether the answer is HTML.
            error: as WSGI passes it on.
        """
        exchange.end(int(status[:3]))
        return start_response(status, [*headers, *self._shared_headers(exchange, page=page)], error)

    def _shared_headers(self, exchange: Exchange, *, page: bool) -> Headers:
        over_tls = self._is_behind_tls_proxy or exchange.environ["wsgi.url_scheme"] == "https"
        return [
            (CORRELATION_HEADER, exchange.correlation_id),
            *exchange.rate_limit_headers().items(),
            *security_headers(page=page, over_tls=over_tls).items(),
            *self._always.items(),
        ]

    def record(self, exchange: Exchange) -> None:
        """Counts and times an answer that was begun, and writes its access log line."""
        if exchange.status is None:
            return
        if exchange.status < 300:
            self._outages.note_success(exchange.route)
        record(
            AnsweredRequest(
                method=exchange.method,
                route=exchange.route,
                status=exchange.status,
                seconds=exchange.seconds,
                user_agent=exchange.header("User-Agent"),
                remote=exchange.environ.get("REMOTE_ADDR"),
                facts=exchange.facts,
            )
        )
