"""One HTTP request as the checks and views see it, with the facts that they learn on the way to its answer.

It reads the WSGI environment itself: Flask's request object costs more than all checks together, and the scoring
route does without it (`web.routing.direct`).
"""

import math
import time
from typing import Any

from werkzeug.exceptions import ClientDisconnected

from security.admission.admission import Admission
from security.signatures.http_message_signatures import HttpMessage
from web.http.errors import BodyTooLargeError, SlowBodyError

_ENVIRON_KEY = "shrike.exchange"
_HEADERS_APART = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_DISCARDED_BYTES = 2 * 1024 * 1024
_DISCARD_STEP_BYTES = 64 * 1024


class Exchange:
    """A request under way.

    Attributes:
        environ: the WSGI environment.
        correlation_id: accepted from the client, or new.
        started: when it came in, on the `time.perf_counter` clock, seconds.
        route: the template of its route, None while none is known to match.
        facts: further fields of its access log line.
        admission: how it was admitted or limited, once that is decided.
        deadline: when its answer must begin, on the `time.monotonic` clock; set once it is there as a whole, because a
            client may send slowly.
        status, seconds: of its answer, once that has begun.
    """

    __slots__ = ("admission", "correlation_id", "deadline", "environ", "facts", "route", "seconds", "started", "status")

    def __init__(self, environ: dict[str, Any], correlation_id: str) -> None:
        self.environ = environ
        self.correlation_id = correlation_id
        self.started = time.perf_counter()
        self.route: str | None = None
        self.facts: dict[str, Any] = {}
        self.admission: Admission | None = None
        self.deadline = math.inf
        self.status: int | None = None
        self.seconds = 0.0

    def keep_in_environ(self) -> None:
        """Makes `exchange_of` find this exchange."""
        self.environ[_ENVIRON_KEY] = self

    @property
    def method(self) -> str:
        """The method as sent."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def connection(self) -> object:
        """The client's socket, which knows a verified client certificate; no header can name one."""
        return self.environ.get("gunicorn.socket")

    @property
    def raw_uri(self) -> str:
        """Path and query as they stood on the request line; the signature covers them."""
        return str(self.environ["RAW_URI"])

    @property
    def query_string(self) -> bytes:
        """The query, percent-encoded."""
        return str(self.environ.get("QUERY_STRING", "")).encode("latin-1")

    @property
    def content_type(self) -> str | None:
        """The header `Content-Type`."""
        return self.environ.get("CONTENT_TYPE")

    def header(self, name: str) -> str | None:
        """Returns a header; None if it was not sent."""
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"))

    def field(self, name: str) -> str | None:
        """Returns a header by its lower-case name, those that WSGI keeps elsewhere included; None if not sent."""
        if name in _HEADERS_APART:
            return self.environ.get(_HEADERS_APART[name]) or None
        return self.header(name)

    def http_message(self, *, over_tls_proxy: bool) -> HttpMessage:
        """Returns the request as its signer saw it.

        Args:
            over_tls_proxy: whether a proxy terminated TLS.
        """
        scheme = "https" if over_tls_proxy else str(self.environ["wsgi.url_scheme"])
        return HttpMessage(self.method, scheme, self.header("Host") or "", self.raw_uri, self.field)

    def annotate(self, **facts: Any) -> None:
        """Adds fields to the access log line."""
        self.facts.update(facts)

    def elapsed_ms(self) -> float:
        """Returns the milliseconds since the request came in."""
        return (time.perf_counter() - self.started) * 1000

    def seconds_left(self) -> float:
        """Returns the seconds until the deadline."""
        return self.deadline - time.monotonic()

    def end(self, status: int) -> None:
        """Notes the status of the answer, and that it begins now."""
        self.status = status
        self.seconds = time.perf_counter() - self.started

    def rate_limit_headers(self) -> dict[str, str]:
        """Returns the `RateLimit-*` headers, none if no bucket was asked."""
        admission = self.admission
        if admission is None or admission.limit is None:
            return {}
        return {
            "RateLimit-Limit": str(admission.limit),
            "RateLimit-Remaining": str(admission.remaining),
            "RateLimit-Reset": str(admission.reset_seconds),
        }

    def check_declared_size(self, limit_bytes: int) -> None:
        """Lets only a body pass that does not declare to be larger than the limit; reads none of a smaller one.

        Raises:
            BodyTooLargeError: its Content-Length is larger.
        """
        if self._declared_size > limit_bytes:
            self._discard_body()
            raise BodyTooLargeError

    def read_body(self, limit_bytes: int) -> bytes:
        """Returns the raw body.

        Raises:
            BodyTooLargeError: it is larger than the limit, by its Content-Length or, sent in chunks, in fact.
            SlowBodyError: it did not arrive in time.
            werkzeug.exceptions.ClientDisconnected: it ended before its Content-Length.
        """
        self.check_declared_size(limit_bytes)
        length, declared = self.environ.get("CONTENT_LENGTH"), self._declared_size
        if not length and not self.environ.get("wsgi.input_terminated"):
            return b""
        # Of a body in chunks one byte more is read, to notice that it is longer than the limit.
        body = self._read(declared if length else limit_bytes + 1)
        if len(body) > limit_bytes:
            self._discard_body()
            raise BodyTooLargeError
        if len(body) < declared:
            raise ClientDisconnected
        return body

    @property
    def _declared_size(self) -> int:
        return int(self.environ.get("CONTENT_LENGTH") or 0)

    def _read(self, size: int) -> bytes:
        try:
            body: bytes = self.environ["wsgi.input"].read(size)
        except TimeoutError as error:
            raise SlowBodyError from error
        except OSError as error:  # the connection broke off in the middle
            raise ClientDisconnected from error
        return body

    def _discard_body(self) -> None:
        """Reads some of a refused body: a connection closed on unread bytes is reset, and the client never sees why."""
        for _ in range(_DISCARDED_BYTES // _DISCARD_STEP_BYTES):
            if len(self._read(_DISCARD_STEP_BYTES)) < _DISCARD_STEP_BYTES:
                return


def exchange_of(environ: dict[str, Any]) -> Exchange:
    """Returns the exchange that a WSGI environment keeps, for code that Flask calls with the environment alone."""
    exchange: Exchange = environ[_ENVIRON_KEY]
    return exchange
