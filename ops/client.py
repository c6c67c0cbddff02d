"""A client of the API: one kept-alive connection, a bearer token, and a signature on every request.

It uses the standard library's HTTP client, so that every image can run it.
"""

import contextlib
import http.client
import json
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from ops.errors import OpsError
from security.signatures.request_signatures import sign

_REMEMBERED_SIGNATURES = 1024
_TRIES, _PAUSE_SECONDS = 3, 0.05


class NoAnswerError(OpsError):
    """The API could not be reached, or closed the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == HTTPStatus.OK

    def json(self) -> Any:
        """Returns the parsed body.

        Raises:
            ValueError: it is not JSON, or nested more deeply than any answer.
        """
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def printable(text: str) -> str:
    r"""Returns a server's words for a terminal: without what would steer it, or could not be written.

    >>> printable("a\x1b[2Jb")
    'a[2Jb'
    """
    return "".join(character for character in text if character.isprintable())


class Client:
    """One connection to the API for one thread.

    A request whose connection turns out to be closed, or is reset while it is being opened, is signed and sent anew,
    which scoring allows: it is idempotent by transaction id. An instance of the API that ends closes what it has kept
    alive, and the kernel resets what has just reached it; the next connection goes to another one.
    """

    def __init__(
        self,
        base_url: str,
        *,
        hmac_key: bytes | None,
        token: str | None,
        timeout_seconds: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connects at the first request.

        Args:
            base_url: scheme, host and port.
            hmac_key: signs requests; None leaves them unsigned, as for an API that asks for a certificate alone.
            token: the bearer token, if there is one.
            timeout_seconds: of each wait.
            tls: authorities and client certificate; the system's authorities and none by default.
        """
        parts = _checked(base_url)
        host, port = parts.hostname or "", parts.port
        self._base_url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=tls)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
        self._hmac_key = hmac_key
        self._token = token
        # A signature is accepted once: two equal requests in one second need different timestamps.
        self._used: deque[tuple[str, str, bytes, int]] = deque(maxlen=_REMEMBERED_SIGNATURES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Sends a signed GET of a path with query."""
        return self.send("GET", path)

    def post(self, path: str, content: Any) -> Answer:
        """Sends a signed POST of a JSON-ready value."""
        return self.send("POST", path, json.dumps(content).encode())

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        is_signed: bool = True,
        timestamp: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Sends one request.

        Args:
            method: upper case.
            path: path with query.
            body: the raw body; it is declared as JSON unless `headers` say otherwise.
            is_signed: whether it carries timestamp and signature.
            timestamp: the signed time instead of now; equal requests with equal times are a replay.
            headers: headers that replace the client's own.

        Raises:
            NoAnswerError: no answer came.
        """
        for tries_left in range(_TRIES - 1, -1, -1):
            complete = self._headers(method, path, body, is_signed=is_signed, timestamp=timestamp)
            complete |= headers or {}
            try:
                self._connection.request(method, path, body or None, complete)
                response = self._connection.getresponse()
                content = response.read()
            except ssl.SSLCertVerificationError as error:
                self._connection.close()
                raise NoAnswerError(
                    f"{method} {path}: the server's certificate is not trusted ({error.verify_message}); name its "
                    "authority by --ca FILE or SSL_CERT_FILE=FILE."
                ) from error
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # RemoteDisconnected is a ConnectionResetError.
                was_closed = isinstance(error, BrokenPipeError | ConnectionResetError | ConnectionRefusedError)
                if not tries_left or not was_closed:
                    raise NoAnswerError(
                        f"{method} {path}: no answer from {self._base_url} ({_reason(error)}); is the API "
                        "running there, and is the address right?"
                    ) from error
                time.sleep(_PAUSE_SECONDS)
                continue
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
        raise AssertionError("unreachable")

    def _headers(
        self, method: str, path: str, body: bytes, *, is_signed: bool, timestamp: int | None
    ) -> dict[str, str]:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        if body:
            headers["Content-Type"] = "application/json"
        if is_signed and self._hmac_key is not None:
            signed_at = self._unused_time(method, path, body) if timestamp is None else timestamp
            headers["X-Request-Timestamp"] = str(signed_at)
            headers["X-Request-Signature"] = sign(
                self._hmac_key, method=method, path=path, timestamp=signed_at, body=body
            )
        return headers

    def _unused_time(self, method: str, path: str, body: bytes) -> int:
        """Returns the latest second up to now that this request was not signed with."""
        candidate = int(time.time())
        while (method, path, body, candidate) in self._used:
            candidate -= 1
        self._used.append((method, path, body, candidate))
        return candidate


def _checked(base_url: str) -> SplitResult:
    """Returns the parts of an address that a client can connect to.

    Raises:
        OpsError: it is none.
    """
    with contextlib.suppress(ValueError):
        parts = urlsplit(base_url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:  # reading the port checks it
            return parts
    raise OpsError(f"{base_url} is no address of an API; give one such as http://127.0.0.1:5000.")


def _reason(error: Exception) -> str:
    """Returns why no answer came, in words."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return printable(text) or type(error).__name__  # a status line that is none is part of the text
