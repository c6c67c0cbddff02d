"""How long a client may take: every wait for its bytes, and for it to take ours, ends at a deadline.

A limit per read would not do: a client that sends one byte a second never lets a read run out of time. So the whole
head, the whole body, the TLS handshake and the sending of an answer have `REQUEST_TIMEOUT_SECONDS` each. Times are on
the monotonic clock, in seconds.
"""

import time
from typing import Any

MIN_READ_BYTES = 8192
MAX_READ_BYTES = 65_536


class PatientReader:
    """Reads a connection's bytes for gunicorn's parser, up to a deadline while there is one.

    It takes the place of `chunk` of gunicorn's unreader. Without a deadline the caller bounds the wait itself.

    Attributes:
        deadline: when reading ends; None while the parser waits for a request.
    """

    __slots__ = ("_socket", "_write_timeout_seconds", "deadline")

    def __init__(self, socket: Any, *, write_timeout_seconds: float) -> None:
        self._socket = socket
        self._write_timeout_seconds = write_timeout_seconds
        self.deadline: float | None = None

    def __call__(self, size_hint: int | None = None) -> bytes:
        """Returns the bytes that come next, none at the end.

        Raises:
            TimeoutError: the deadline has passed.
        """
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the request did not come in time")
        self._socket.settimeout(left)
        try:
            received: bytes = self._socket.recv(min(max(size_hint or 0, MIN_READ_BYTES), MAX_READ_BYTES))
        finally:
            self._socket.settimeout(self._write_timeout_seconds)
        return received
