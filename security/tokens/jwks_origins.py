"""Where a key set comes from: a file, or a URL that is read over a short-lived connection."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from security.errors import KeyUnusableError
from security.tokens.jwks import MAX_DOCUMENT_BYTES

_SOCKET_TIMEOUT_SECONDS = 2.0
_WHOLE_TIMEOUT_SECONDS = 5.0
_READ_BYTES = 16 * 1024

Fetch = Callable[[], bytes]
"""Returns the document, or raises KeyUnusableError with one sentence."""


@dataclass(frozen=True, slots=True)
class JwksFile:
    """A key set in a file, which may hold HS256 secrets."""

    path: Path

    def __call__(self) -> bytes:
        """Returns the file's content."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise KeyUnusableError(f"JWT_JWKS_FILE: {self.path} cannot be read ({error.strerror}).") from error


class JwksUrl:
    """A key set behind an URL.

    Redirects are not followed and proxies not used: the key set is trusted because it comes from exactly this URL.

    Raises:
        KeyUnusableError: the URL is no http(s) URL, or the CA file cannot be used.
    """

    def __init__(self, url: str, *, ca_file: Path | None = None) -> None:
        self._parts = urlsplit(url)
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname or self._parts.username:
            raise KeyUnusableError("JWT_JWKS_URL is not https://host/path.")
        try:
            self._context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise KeyUnusableError(f"JWT_JWKS_CA_FILE: {ca_file} cannot be used.") from error

    def __call__(self) -> bytes:
        """Returns the document, within a few seconds."""
        connection = self._connection(self._parts)
        try:
            connection.request("GET", self._target(), headers={"Accept": "application/json", "User-Agent": "shrike"})
            response = connection.getresponse()
            if response.status != 200:
                raise KeyUnusableError(f"JWT_JWKS_URL answered with status {response.status}.")
            return _read(response)
        except (OSError, HTTPException) as error:
            raise KeyUnusableError(f"JWT_JWKS_URL cannot be read ({type(error).__name__}).") from error
        finally:
            connection.close()

    def _connection(self, parts: SplitResult) -> HTTPConnection:
        host = str(parts.hostname)
        if parts.scheme == "https":
            return HTTPSConnection(host, parts.port, timeout=_SOCKET_TIMEOUT_SECONDS, context=self._context)
        return HTTPConnection(host, parts.port, timeout=_SOCKET_TIMEOUT_SECONDS)

    def _target(self) -> str:
        return (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")


def _read(response: HTTPResponse) -> bytes:
    """Reads a body within a time and a size, even one that comes slowly or never ends."""
    until, document = time.monotonic() + _WHOLE_TIMEOUT_SECONDS, b""
    while chunk := response.read1(_READ_BYTES):
        document += chunk
        if len(document) > MAX_DOCUMENT_BYTES:
            raise KeyUnusableError(f"JWT_JWKS_URL answers with more than {MAX_DOCUMENT_BYTES} bytes.")
        if time.monotonic() > until:
            raise KeyUnusableError(f"JWT_JWKS_URL takes longer than {_WHOLE_TIMEOUT_SECONDS:g} s to answer.")
    return document
