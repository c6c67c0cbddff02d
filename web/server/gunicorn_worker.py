"""gunicorn's gevent worker: no banner, problem details for requests it cannot parse, and no client waited for long.

While more than four fifths of the connections are open, each is closed after its answer and has a tenth of the time for
its next request, so that connections which do nothing cannot keep administrators and probes out.

A stop begins with a drain: for `WEB_DRAIN_SECONDS` the process goes on as before, but readiness is 503 and every answer
closes its connection, so that balancers have turned away before the listener closes.
"""

import re
import ssl
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import gevent
import orjson
from gunicorn.http import wsgi
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from settings import load_settings
from web.http.headers import security_headers
from web.http.problems import BAD_REQUEST, CONTENT_TYPE, Problem
from web.protection.capacity import scoring_share
from web.server.bodies import bound_chunks, check_transfer_coding, is_left_unread, linger
from web.server.patience import PatientReader

_CROWDED_SHARE = 0.1
_UNBOUNDED = nullcontext()
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

_MALFORMED = (400, "Bad Request", "The request is not well-formed HTTP, or one of its parts is too large.")
_STATUSES: tuple[tuple[type[Exception], tuple[int, str, str]], ...] = (
    (LimitRequestLine, (414, "URI Too Long", "The request line is longer than this API accepts.")),
    (LimitRequestHeaders, (431, "Request Header Fields Too Large", "A header is too large, or there are too many.")),
    (UnsupportedTransferCoding, (501, "Not Implemented", "The only Transfer-Encoding is chunked; compress no body.")),
    (ExpectationFailed, (417, "Expectation Failed", "The only Expect is 100-continue.")),
)


class _Response(wsgi.Response):  # type: ignore[misc] # gunicorn publishes no types
    """A response that does not say which server wrote it, and leaves in one piece where it can."""

    headers_sent: bool
    sent: int
    req: Any

    def should_close(self) -> bool:
        """Whether the connection ends with this answer: also where a rest of the request's body would be read."""
        return bool(super().should_close()) or is_left_unread(self.req)

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
        self._settings = load_settings()
        self._request_seconds = self._settings.request_timeout_seconds
        self._unserved: set[Any] = set()  # greenlets of connections whose first request has not come
        self._is_draining = False

    def init_process(self) -> None:
        """Starts the worker; gunicorn offers no setting for the class of its responses."""
        wsgi.Response = _Response
        super().init_process()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Begins the drain; after it the worker stops. Told again, it drains on: SIGINT and SIGQUIT do not wait."""
        if self._is_draining:
            return
        self._is_draining = True
        from web.services import services_of  # not above: the master imports this module, and must not the metrics

        application = getattr(self, "wsgi", None)  # a worker that is still starting has none
        if application is not None:
            services_of(application).draining.begin()
        gevent.spawn_later(self._settings.web_drain_seconds, super().handle_exit, sig, frame)

    def run(self) -> None:
        """Serves; a client that breaks off its TLS handshake is no error worth gevent's traceback."""
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, ssl.SSLError, ConnectionError)
        hub.print_exception = self._log_exception
        super().run()

    @property
    def _is_crowded(self) -> bool:
        return self._open_connections > scoring_share(self.worker_connections)

    def timeout_ctx(self) -> AbstractContextManager[object]:
        """Returns the bound of the wait for a connection's first head; later ones are bounded by its reader."""
        if gevent.getcurrent() not in self._unserved:
            return _UNBOUNDED
        bound: AbstractContextManager[object] = gevent.Timeout(
            self._request_seconds * (_CROWDED_SHARE if self._is_crowded else 1), exception=False
        )
        return bound

    def _rest_seconds(self) -> float:
        """Returns how long a connection may wait for its next request, as of now.

        It may during a drain, too: its next answer closes it, so that the client never meets a closed connection.
        """
        if not self.alive:
            return 0.0
        if self._is_crowded:
            return self._request_seconds * _CROWDED_SHARE
        return float(self._settings.web_keepalive_seconds)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serves a connection, once its TLS handshake is done in time."""
        self._open_connections += 1
        greenlet = gevent.getcurrent()
        self._unserved.add(greenlet)
        try:
            client.settimeout(self._request_seconds)
            if self._shake_hands(client):
                # Not the method of GeventWorker, in which waits for the client have no bound.
                AsyncWorker.handle(self, listener, client, addr)
        finally:
            self._open_connections -= 1
            self._unserved.discard(greenlet)
            client.close()

    def _shake_hands(self, client: Any) -> bool:
        if not isinstance(client, ssl.SSLSocket):
            return True
        try:
            with gevent.Timeout(self._request_seconds, TimeoutError):
                client.do_handshake()
        except OSError as error:
            self.log.info("TLS handshake failed: %s", type(error).__name__)
            return False
        return True

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answers a request; reading its body and sending its answer have a deadline each."""
        _check_host(req)
        check_transfer_coding(req)
        bound_chunks(req)
        reader = req.unreader.chunk
        if not isinstance(reader, PatientReader):
            self._unserved.discard(gevent.getcurrent())
            reader = PatientReader(sock, request_seconds=self._request_seconds, rest_seconds=self._rest_seconds)
            req.unreader.chunk = reader
        reader.begin_request()
        if self._is_crowded or self._is_draining:
            req.force_close()
        try:
            super().handle_request(listener_name, req, sock, addr)
            req.body.read()  # at most MOST_LEFT_BYTES: else the connection ends here
        except TimeoutError as error:
            self.log.info("a client did not take its answer in time, or not send the rest of its body")
            raise StopIteration from error  # ends gunicorn's loop over the requests of a connection
        except StopIteration:
            if is_left_unread(req):
                linger(sock)
            raise
        reader.begin_rest()

    def _log_exception(self, context: Any, kind: Any, error: Any, traceback: Any) -> None:
        """Logs a greenlet's exception, masked; gevent would print it as it is."""
        self.log.error("a greenlet failed: %s", type(context).__name__, exc_info=(kind, error, traceback))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answers a request that could not be parsed; gunicorn handles every other error."""
        ours = isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName)
        if ours or not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        status, phrase, detail = next((known for kind, known in _STATUSES if isinstance(exc, kind)), _MALFORMED)
        self.log.warning("unparsable request: %s", type(exc).__name__)
        try:
            write_nonblock(client, _problem(status, phrase, detail))
        except OSError:
            self.log.debug("the client of an unparsable request has gone")
        linger(client)


def _check_host(req: Any) -> None:
    """Refuses a missing host in HTTP/1.1, and a malformed one. Source: RFC 9112, section 3.2."""
    host = next((value for name, value in req.headers if name == "HOST"), None)
    if host is None and req.version < (1, 1):
        return
    if host is None or not _HOST.fullmatch(host):
        raise InvalidHeader("HOST", req=req)


def _problem(status: int, phrase: str, detail: str) -> bytes:
    """Returns a whole answer. Without a request there is no route to count and no correlation id to log."""
    kind = replace(BAD_REQUEST, status=status, title=phrase)
    body = orjson.dumps(Problem(kind, detail).body())
    headers = {
        "Connection": "close",
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        **security_headers(page=False, over_tls=False),
    }
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body
