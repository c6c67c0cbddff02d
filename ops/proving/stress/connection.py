"""One kept-alive HTTP connection of the load: cheap, since the generator shares machines with what it measures."""

import asyncio
import ssl
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"
_MOST_BODY_BYTES = 4 * 1024 * 1024


class BrokenAnswerError(Exception):
    """What came back is no HTTP answer."""


class StaleConnectionError(Exception):
    """A connection that was kept alive was closed before any byte of an answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class Connection:
    """Opens itself at the first request, and anew after one that went wrong."""

    place: Place
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, init=False)

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Returns status and body of the answer.

        Raises:
            OSError: the connection cannot be opened, or broke.
            BrokenAnswerError: the server speaks something else.
            StaleConnectionError: the server had closed it; the request may go on a new one.
        """
        is_kept = self._streams is not None
        try:
            reader, writer = self._streams or await self._open()
            writer.write(request)
            head = await reader.readuntil(_HEAD_END)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.close()
            nothing_came = not (isinstance(error, asyncio.IncompleteReadError) and error.partial)
            if is_kept and nothing_came:
                raise StaleConnectionError from error
            raise ConnectionResetError("closed without an answer") from error
        except asyncio.LimitOverrunError as error:
            raise BrokenAnswerError("a head without an end") from error
        status, headers = _parse_head(head)
        body = await _read_body(reader, headers)
        if headers.get(b"connection", b"").lower() == b"close" or not _has_end(headers):
            self.close()
        return status, body

    def close(self) -> None:
        """Gives the connection up; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = self.place
        name = place.host if place.tls is not None else None
        self._streams = await asyncio.open_connection(place.host, place.port, ssl=place.tls, server_hostname=name)
        return self._streams


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head[: -len(_HEAD_END)].split(b"\r\n")
    words = first.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not (words[1].isdigit() and len(words[1]) == 3):
        raise BrokenAnswerError("no status line")
    pairs = (line.partition(b":") for line in lines)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _has_end(headers: dict[bytes, bytes]) -> bool:
    return b"content-length" in headers or b"transfer-encoding" in headers


async def _read_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    try:
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return await _read_chunks(reader)
        if b"content-length" not in headers:
            return await reader.read(_MOST_BODY_BYTES)
        length = int(headers[b"content-length"])
        if not 0 <= length <= _MOST_BODY_BYTES:
            raise BrokenAnswerError("a body of impossible length")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("closed in the middle of an answer") from error
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise BrokenAnswerError("a body of impossible length") from error


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";", 1)[0], 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += chunk[:-2]
        if size < 0 or len(body) > _MOST_BODY_BYTES:
            raise BrokenAnswerError("a body of impossible length")
