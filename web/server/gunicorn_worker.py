"""gunicorn's gevent worker: no banner, problem details for requests it cannot parse, and no client waited for long.

While more than four fifths of the connections are open, each is closed after its answer and has a tenth of the time for
its next request, so that connections which do nothing cannot keep administrators and probes out.
"""

import re
import ssl
import time
from dataclasses import replace
from typing import Any

import gevent
import orjson
from gunicorn.http import wsgi
from gunicorn.http.errors import (
    InvalidHeader,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from web.http.headers import security_headers
from web.http.problems import BAD_REQUEST, CONTENT_TYPE, Problem
from web.protection.capacity import scoring_share
from web.server.patience import PatientReader

_CROWDED_SHARE = 0.1
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (LimitRequestLine, 414, "URI Too Long"),
    (LimitRequestHeaders, 431, "Request Header Fields Too Large"),
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open_connections = 0

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

    @property
    def _is_crowded(self) -> bool:
        return self._open_connections > scoring_share(self.worker_connections)

    def timeout_ctx(self) -> gevent.Timeout:
        """Returns the bound of the wait for a request's head."""
        seconds = self.cfg.keepalive
        return gevent.Timeout(seconds * _CROWDED_SHARE if self._is_crowded else seconds, exception=False)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serves a connection, once its TLS handshake is done in time."""
        self._open_connections += 1
        try:
            client.settimeout(self.cfg.keepalive)
            if self._shake_hands(client):
                # Not the method of GeventWorker, in which waits for the client have no bound.
                AsyncWorker.handle(self, listener, client, addr)
        finally:
            self._open_connections -= 1
            client.close()

    def _shake_hands(self, client: Any) -> bool:
        if not isinstance(client, ssl.SSLSocket):
            return True
        try:
            with gevent.Timeout(self.cfg.keepalive, TimeoutError):
                client.do_handshake()
        except OSError as error:
            self.log.info("TLS handshake failed: %s", type(error).__name__)
            return False
        return True

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answers a request; reading its body and sending its answer have a deadline each."""
        _check_host(req)
        reader = req.unreader.chunk
        if not isinstance(reader, PatientReader):
            reader = PatientReader(sock, write_timeout_seconds=self.cfg.keepalive)
            req.unreader.chunk = reader
        reader.deadline = time.monotonic() + self.cfg.keepalive
        if self._is_crowded:
            req.force_close()
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as error:
            self.log.info("a client did not take its answer in time")
            raise StopIteration from error  # ends gunicorn's loop over the requests of a connection
        finally:
            reader.deadline = None

    def _log_exception(self, context: Any, kind: Any, error: Any, traceback: Any) -> None:
        """Logs a greenlet's exception, masked; gevent would print it as it is."""
        self.log.error("a greenlet failed: %s", type(context).__name__, exc_info=(kind, error, traceback))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answers a request that could not be parsed; gunicorn handles every other error."""
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


def _check_host(req: Any) -> None:
    """Refuses a missing host in HTTP/1.1, and a malformed one. Source: RFC 9112, section 3.2."""
    host = next((value for name, value in req.headers if name == "HOST"), None)
    if host is None and req.version < (1, 1):
        return
    if host is None or not _HOST.fullmatch(host):
        raise InvalidHeader("HOST", req=req)


def _problem(status: int, phrase: str) -> bytes:
    """Returns a whole answer. Without a request there is no route to count and no correlation id to log."""
    kind = replace(BAD_REQUEST, status=status, title=phrase)
    body = orjson.dumps(Problem(kind, "The request is not well-formed HTTP, or one of its parts is too large.").body())
    headers = {
        "Connection": "close",
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        **security_headers(page=False, over_tls=False),
    }
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body
