import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ops.processes.ports import LOOPBACK
from ops.proving.bench.load.loops import closed_loop, open_loop

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    """Answers every request with its running number; can stall once, or hang up."""

    def __init__(self, *, stall_seconds: float = 0.0, hang_up_at: int | None = None) -> None:
        self.port = 0
        self._stall_seconds = stall_seconds
        self._hang_up_at = hang_up_at
        self._served = 0
        self._ready = threading.Event()
        self._stop: Callable[[], object] = lambda: None

    @contextmanager
    def running(self) -> Iterator[int]:
        thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        thread.start()
        assert self._ready.wait(10)
        yield self.port
        self._stop()
        thread.join(10)

    async def _run(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        async with await asyncio.start_server(self._serve, LOOPBACK, 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await stopped.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            number = self._served
            self._served += 1
            if number == self._hang_up_at:
                return
            if number == 0 and self._stall_seconds:
                await asyncio.sleep(self._stall_seconds)
            body = str(number).encode()
            # In two pieces, as a network may deliver it.
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r" % len(body))
            await writer.drain()
            writer.write(b"\n" + body)


def test_every_request_is_answered_in_its_place() -> None:
    with Server().running() as port:
        result = closed_loop(LOOPBACK, port, [REQUEST] * 20, connections=1)
    assert result.bodies == [str(number).encode() for number in range(20)]
    assert result.answered == 20


def test_a_stall_shows_in_the_requests_that_waited_behind_it() -> None:
    with Server(stall_seconds=0.5).running() as port:
        result = open_loop(LOOPBACK, port, [REQUEST] * 10, rate=100, connections=1)
    # The last one was meant to leave 90 ms after the start and could only leave after the stall.
    assert result.latency_seconds[-1] > 0.3
    assert result.answered == 10


def test_a_broken_connection_is_a_request_without_an_answer() -> None:
    with Server(hang_up_at=3).running() as port:
        result = closed_loop(LOOPBACK, port, [REQUEST] * 6, connections=2)
    assert result.statuses.tolist().count(0) == 1
    assert result.answered == 5
    assert result.percentile_ms(0.99) == float("inf")


def test_a_closed_loop_ends_with_its_time() -> None:
    with Server().running() as port:
        result = closed_loop(LOOPBACK, port, [REQUEST] * 1_000_000, connections=4, seconds=0.2)
    assert 0 < result.answered < 1_000_000
    assert len(result.statuses) == result.answered


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="Connect"):
        open_loop(LOOPBACK, 1, [REQUEST], rate=1, connections=1)
