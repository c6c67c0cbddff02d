"""Load on one HTTP endpoint: open loop for latency, closed loop for throughput.

Open loop: request i is meant to leave at start + i / rate, whether or not earlier ones were answered, and its latency
counts from that moment. A server that stalls therefore cannot hide the stall by slowing its client down
(coordinated omission). Closed loop: every connection sends its next request when the last one is answered.

Requests are complete byte strings made beforehand, and answers are only cut out of the stream: the generator shares
the machine with what it measures and has to be cheap.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_LEAD_SECONDS = 0.05
_GRACE_SECONDS = 10.0
"""How long unanswered requests are waited for once the last one was sent."""
_LONGEST_SECONDS = 120.0
"""The end of a closed loop whose server stopped answering."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The outcomes of N requests, in the order of sending.

    Attributes:
        latency_seconds: [N] from the intended moment of sending to the whole answer; NaN without an answer.
        statuses: [N] HTTP status, 0 without an answer.
        bodies: [N] answers' bodies, empty without an answer.
        seconds: from the first intended sending to the last answer.
    """

    latency_seconds: NDArray[np.float64]
    statuses: NDArray[np.int64]
    bodies: list[bytes]
    seconds: float

    @property
    def answered(self) -> int:
        """Number of requests answered with 200."""
        return int((self.statuses == 200).sum())

    @property
    def throughput(self) -> float:
        """Answers with 200 per second."""
        return self.answered / self.seconds if self.seconds > 0 else 0.0

    def percentile_ms(self, share: float) -> float:
        """Returns the latency, ms, that `share` of all requests do not exceed; a failed one counts as infinite."""
        latency = np.where(self.statuses == 200, self.latency_seconds, np.inf)
        rank = min(len(latency) - 1, int(np.ceil(share * len(latency))) - 1)
        return float(np.sort(latency)[max(0, rank)] * 1000)


def open_loop(host: str, port: int, requests: Sequence[bytes], *, rate: float, connections: int) -> LoadResult:
    """Sends requests at a constant rate, in order.

    Args:
        host: where the server listens.
        port: likewise.
        requests: complete HTTP/1.1 requests.
        rate: requests per second.
        connections: most requests under way at once; beyond it a request leaves late, which its latency shows.

    Raises:
        OSError: the server does not accept connections.
    """
    return asyncio.run(_Load(requests, rate=rate).run(host, port, connections))


def closed_loop(
    host: str, port: int, requests: Sequence[bytes], *, connections: int, seconds: float = math.inf
) -> LoadResult:
    """Sends requests as fast as `connections` waiting clients can; latency counts from the sending.

    Ends with the last request, or after `seconds`: then the result holds only the requests sent by then.

    Raises:
        OSError: the server does not accept connections.
    """
    return asyncio.run(_Load(requests, rate=None, seconds=seconds).run(host, port, connections))


class _Load:
    """One run."""

    def __init__(self, requests: Sequence[bytes], *, rate: float | None, seconds: float = math.inf) -> None:
        self._requests = requests
        self._rate = rate
        self._seconds = seconds
        self._end = math.inf
        self._intended = np.full(len(requests), np.nan)
        self._finished = np.full(len(requests), np.nan)
        self._statuses = np.zeros(len(requests), np.int64)
        self._bodies = [b""] * len(requests)
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[int] = deque()
        self._next = 0
        self._answered = 0
        self._done: asyncio.Future[None] | None = None

    async def run(self, host: str, port: int, connections: int) -> LoadResult:
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        links = [
            (await loop.create_connection(lambda: _Connection(self), host, port))[1]
            for _ in range(min(connections, len(self._requests)))
        ]
        self._idle.extend(links)
        if self._rate is None:
            start = time.monotonic()
            self._end = start + self._seconds
            while self._idle and self._next < len(self._requests):
                self._send_next(self._idle.popleft())
            bound = _LONGEST_SECONDS
        else:
            start = time.monotonic() + _LEAD_SECONDS
            await self._send_on_time(start)
            bound = _GRACE_SECONDS
        if self._answered < self._next:
            await asyncio.wait([self._done], timeout=bound)
        for link in links:
            link.close()
        last = float(np.nanmax(self._finished)) if np.isfinite(self._finished).any() else time.monotonic()
        sent = self._next
        latency = (self._finished - self._intended)[:sent]
        return LoadResult(latency, self._statuses[:sent], self._bodies[:sent], last - start)

    async def _send_on_time(self, start: float) -> None:
        for number in range(len(self._requests)):
            moment = start + number / (self._rate or 1.0)
            self._intended[number] = moment
            self._next = number + 1
            delay = moment - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            if self._idle:
                self._idle.popleft().send(number, self._requests[number])
            else:
                self._waiting.append(number)

    def _send_next(self, link: "_Connection") -> None:
        self._intended[self._next] = time.monotonic()
        link.send(self._next, self._requests[self._next])
        self._next += 1

    def finish(self, link: "_Connection", number: int, status: int, body: bytes) -> None:
        """Records an answer, or status 0 when the connection broke, and gives the connection its next request."""
        if status:
            self._finished[number] = time.monotonic()
        self._statuses[number] = status
        self._bodies[number] = body
        self._answered += 1
        if not link.is_closed:
            self._employ(link)
        if self._answered == self._next and self._is_all_sent() and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _is_all_sent(self) -> bool:
        return self._next == len(self._requests) or time.monotonic() >= self._end

    def _employ(self, link: "_Connection") -> None:
        """Gives an idle connection its next request, if there is one to be sent now."""
        if self._rate is None:
            if not self._is_all_sent():
                self._send_next(link)
        elif self._waiting:
            number = self._waiting.popleft()
            link.send(number, self._requests[number])
        else:
            self._idle.append(link)


class _Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._number: int | None = None
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP connections are such
        self._transport = transport

    def send(self, number: int, request: bytes) -> None:
        """Writes one request."""
        self._number = number
        if self._transport is None or self.is_closed:
            self._answer(0, b"")
        else:
            self._transport.write(request)

    def close(self) -> None:
        """Ends the connection; nothing is under way any more."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Cuts the answer out of the stream."""
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        head = self._received[:end].lower()
        at = head.find(_LENGTH)
        if at < 0:
            self._break()
            return
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
        whole = end + len(_HEAD_END) + length
        if len(self._received) < whole:
            return
        status, body = int(head[9:12]), self._received[whole - length : whole]
        self._received = self._received[whole:]
        if b"connection: close" in head:
            self.is_closed = True
        self._answer(status, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Fails the request under way."""
        self._break()

    def _break(self) -> None:
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()
        self._answer(0, b"")

    def _answer(self, status: int, body: bytes) -> None:
        number, self._number = self._number, None
        if number is not None:
            self._load.finish(self, number, status, body)
