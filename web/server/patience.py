"""How long a client may take: every wait for its bytes, and for it to take ours, ends at a deadline.

A limit per read would not do: a client that sends one byte a second never lets a read run out of time. So the whole
head, the whole body, the TLS handshake and the sending of an answer have `REQUEST_TIMEOUT_SECONDS` each. Between two
requests a connection may rest for `WEB_KEEPALIVE_SECONDS`, and less while the process has few left or stops. Times are
on the monotonic clock, in seconds.
"""

import time
from collections.abc import Callable
from typing import Any

MIN_READ_BYTES = 8192
MAX_READ_BYTES = 65_536


IDLE_STEP_SECONDS = 5.0
"""How often a resting connection looks whether it may rest on."""


class PatientReader:
    """Reads a connection's bytes for gunicorn's parser, up to a deadline while there is one.

    It takes the place of `chunk` of gunicorn's unreader.

    Args:
        socket: of the connection.
        request_seconds: how long the head of a request may take from its first byte, and the client to take an answer.
        rest_seconds: returns how long the connection may rest between requests, as of now.

    Attributes:
        deadline: when reading ends; without one the caller bounds the wait itself.
    """

    __slots__ = ("_is_head", "_request_seconds", "_rest_seconds", "_rests", "_socket", "deadline")

    def __init__(self, socket: Any, *, request_seconds: float, rest_seconds: Callable[[], float]) -> None:
        self._socket = socket
        self._request_seconds = request_seconds
        self._rest_seconds = rest_seconds
        self._rests = self._is_head = False
        self.deadline: float | None = None

    def begin_rest(self) -> None:
        """Lets the connection rest until its next request begins, whose head then has a deadline of its own."""
        self._rests, self._is_head, self.deadline = True, True, None

    def begin_request(self) -> None:
        """Gives the body of a request its deadline."""
        self._rests, self._is_head, self.deadline = False, False, time.monotonic() + self._request_seconds

    def __call__(self, size_hint: int | None = None) -> bytes:
        """Returns the bytes that come next, none at the end; none, too, where a next request does not come in time.

        Raises:
            TimeoutError: the deadline of a body has passed.
        """
        size = min(max(size_hint or 0, MIN_READ_BYTES), MAX_READ_BYTES)
        if self._rests:
            return self._rest(size)
        try:
            return self._receive(size, None if self.deadline is None else self.deadline - time.monotonic())
        except TimeoutError:
            if self._is_head:
                return b""
            raise

    def _rest(self, size: int) -> bytes:
        began = time.monotonic()
        while (left := began + self._rest_seconds() - time.monotonic()) > 0:
            try:
                received = self._receive(size, min(left, IDLE_STEP_SECONDS))
            except TimeoutError:
                continue
            self._rests, self.deadline = False, time.monotonic() + self._request_seconds
            return received
        return b""

    def _receive(self, size: int, seconds: float | None) -> bytes:
        if seconds is not None and seconds <= 0:
            raise TimeoutError("the request did not come in time")
        self._socket.settimeout(seconds)
        try:
            received: bytes = self._socket.recv(size)
        finally:
            self._socket.settimeout(self._request_seconds)
        return received
