"""gunicorn's gevent worker, without its banner and with problem details for requests it cannot parse."""

import ssl
from typing import Any

import gevent
import orjson
from gunicorn.http import wsgi
from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.ggevent import GeventWorker

_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (LimitRequestLine, 414, "URI Too Long"),
    (LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (UnsupportedTransferCoding, 501, "Not Implemented"),
)


class _Response(wsgi.Response):  # type: ignore[misc] # gunicorn publishes no types
    """A response that does not say which server wrote it, and leaves in one piece where it can."""

    headers_sent: bool
    sent: int

    def default_headers(self) -> list[str]:
        """Returns gunicorn's headers but for `Server`."""
        return [header for header in super().default_headers() if not header.startswith("Server:")]

    def write(self, arg: bytes) -> None:
        """Sends a part of the body; one that is the whole leaves with the head in one piece, which halves the calls."""
        if self.headers_sent or self.response_length != len(arg) or self._omits_body or not arg:
            super().write(arg)
            return
        head = "".join([*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"])
        self.headers_sent, self.sent = True, len(arg)
        self.sock.sendall(head.encode("latin-1") + arg)


class ProblemGeventWorker(GeventWorker):  # type: ignore[misc] # gunicorn publishes no types
    """Answers broken HTTP like every other error of the API: as problem details."""

    def init_process(self) -> None:
        """Starts the worker; gunicorn offers no setting for the class of its responses."""
        wsgi.Response = _Response
        super().init_process()

    def run(self) -> None:
        """Serves; a client that breaks off its TLS handshake is no error worth gevent's traceback."""
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, ssl.SSLError, ConnectionError)
        hub.print_exception = self._log_exception
        super().run()

    def _log_exception(self, context: Any, kind: Any, error: Any, traceback: Any) -> None:
        """Logs what a greenlet raised, masked; gevent would print it as it is."""
        self.log.error("a greenlet failed: %s", type(context).__name__, exc_info=(kind, error, traceback))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answers a request that never became one; anything but a parse error is gunicorn's to handle."""
        ours = isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName)
        if ours or not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        status, phrase = next(
            ((status, phrase) for kind, status, phrase in _STATUSES if isinstance(exc, kind)), (400, "Bad Request")
        )
        self.log.warning("unparsable request: %s", type(exc).__name__)
        try:
            write_nonblock(client, _problem(status, phrase))
        except OSError:
            self.log.debug("the client of an unparsable request has gone")


def _problem(status: int, phrase: str) -> bytes:
    body = orjson.dumps(
        {
            "type": "/docs#problem-bad-request",
            "title": phrase,
            "status": status,
            "detail": "The request is not well-formed HTTP, or one of its parts is too large.",
            "correlation_id": None,
        }
    )
    head = (
        f"HTTP/1.1 {status} {phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
