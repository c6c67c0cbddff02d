"""Request bodies as gunicorn's parser offers them: what it would take and must not, and what is left unread.

Nobody may buy much work with few bytes. A refused request leaves its body unread, and gunicorn would read it all the
same before the next request, chunk by chunk, at a cost of about 27 µs of CPU per chunk of one byte. So a connection
with such a rest is closed after its answer.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from socket import SHUT_WR
from typing import Any

from gevent.socket import socket as PlainSocket  # noqa: N812 - a class that is spelled like its module
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import UnsupportedTransferCoding

from web.http.framing import TooManyChunksError

MOST_CHUNKS = 4096
"""Of one body: a batch of 1 MiB in chunks of 256 bytes. They cost a tenth of a second of CPU at most."""

MOST_LEFT_BYTES = 65_536
"""A rest of declared length up to this is read away, so that its connection can be kept."""

_LINGER_SECONDS = 2.0
_LINGER_READS = 64
_LINGER_READ_BYTES = 65_536


def check_transfer_coding(request: Any) -> None:
    """Refuses a transfer coding that would not be undone. Source: RFC 9112, section 6.1.

    Raises:
        UnsupportedTransferCoding: the request's coding is another one than chunked, or more than that.
    """
    if isinstance(request.body.reader, ChunkedReader):
        coding = ",".join(value for name, value in request.headers if name == "TRANSFER-ENCODING")
        if coding.strip().lower() != "chunked":
            raise UnsupportedTransferCoding(coding)


def bound_chunks(request: Any) -> None:
    """Makes the reading of a body in chunks end at `MOST_CHUNKS`, with a TooManyChunksError."""
    reader = request.body.reader
    if isinstance(reader, ChunkedReader):
        reader.parser = _bounded(reader.parser)


def _bounded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        if number >= MOST_CHUNKS:
            raise TooManyChunksError
        yield piece


def is_left_unread(request: Any) -> bool:
    """Whether so much of a request's body is unread that its connection must be closed."""
    body = request.body
    if isinstance(body.reader, LengthReader):
        return bool(body.failed or body.reader.length > MOST_LEFT_BYTES)
    return bool(body.failed or body.reader.parser is not None)


def linger(socket: Any) -> None:
    """Takes what a client still sends, within bounds, before its connection is closed.

    A connection closed on unread bytes is reset, and its client may never see the answer. The client sees the end of
    ours at once: not by the method of a TLS socket, which would forget how to read what still comes.
    """
    deadline = time.monotonic() + _LINGER_SECONDS
    with contextlib.suppress(OSError, ValueError):  # the client has gone, or TLS is over
        PlainSocket.shutdown(socket, SHUT_WR)
        for _ in range(_LINGER_READS):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            socket.settimeout(left)
            if not socket.recv(_LINGER_READ_BYTES):
                return
