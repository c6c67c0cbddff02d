"""The HTTP endpoint of a worker or of beat: `/metrics`, `/health/live` and `/health/ready`, for scrapers and probes."""

import logging
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from observability.exposition import render

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_log = logging.getLogger(__name__)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Writes nothing: probes come every few seconds."""


class Endpoint:
    """Serves on a thread of its own.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        is_ready: whether the worker does its work.
        is_alive: whether it can still come to do it; if not, only a new process helps.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self, host: str, port: int, *, is_ready: Callable[[], bool], is_alive: Callable[[], bool] = lambda: True
    ) -> None:
        self._checks = {"/health/live": is_alive, "/health/ready": is_ready}
        self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_QuietHandler)
        self._thread = Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    def start(self) -> None:
        """Starts serving."""
        self._thread.start()
        _log.info("metrics and health are served", extra={"port": self.port})

    def stop(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            body, content_type = render(None)
            start_response("200 OK", [("Content-Type", content_type)])
            return [body]
        status, body = "404 Not Found", b'{"status":"not found"}'
        if path in self._checks:
            status, body = "503 Service Unavailable", b'{"status":"unavailable"}'
            if self._checks[path]():
                status, body = "200 OK", b'{"status":"ok"}'
        start_response(status, [("Content-Type", "application/json")])
        return [body]
