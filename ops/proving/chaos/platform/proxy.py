"""A TCP proxy in front of one server that can delay, cut and freeze connections, and lose or hold back one reply.

It runs on a thread of its own; its controls may be used from any thread. Both ends see a fault of the network: a frozen
connection stays open and silent, an abandoned one stays silent for ever (half open: the peer is gone without a word), a
cut one is closed.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

from ops.processes.ports import LOOPBACK

_CHUNK_BYTES = 65_536
_KEEPALIVE_SECONDS = 60.0


class Fate(Enum):
    """What becomes of the reply that a trap waits for."""

    HELD = auto()
    """It stays in the proxy until the trap is released."""
    LOST = auto()
    """It is thrown away and its connection closed."""


@dataclass
class Trap:
    """Waits for one request; the request passes, its reply does not.

    Attributes:
        matches: whether a piece of the stream to the server is the request; requests here are small, so that one
            arrives in one piece.
        fate: what becomes of the reply.
        sprung: set once the request has passed.
        replied: set once the server has answered the request, and so has carried it out.
        client_port: the port at the client's end of the trapped connection; 0 until sprung.
    """

    matches: Callable[[bytes], bool]
    fate: Fate
    sprung: threading.Event = field(default_factory=threading.Event)
    replied: threading.Event = field(default_factory=threading.Event)
    client_port: int = 0


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass(eq=False)
class _Link:
    """One connection through the proxy; each direction passes while its gate is open."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    trap: Trap | None = None
    requests: asyncio.Event = field(default_factory=_open_gate)
    replies: asyncio.Event = field(default_factory=_open_gate)

    def close(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Proxy:
    """Passes connections on to a port of this machine.

    Args:
        target_port: where the server listens, or will.
        port: where clients connect.
    """

    def __init__(self, target_port: int, port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy {port}", daemon=True)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._traps: list[Trap] = []
        self._flowing = _open_gate()
        self._is_cut = False
        self._delay_seconds = 0.0
        self._listening = threading.Event()
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Closes every connection, and every new one at once, for the length of a block."""
        self._is_cut = True
        self._call(self._close_all)
        try:
            yield
        finally:
            self._is_cut = False

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Passes nothing on in either direction for the length of a block; then what was held up flows on."""
        self._call(self._flowing.clear)
        try:
            yield
        finally:
            self._call(self._flowing.set)

    @contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        """Holds every piece up on its way, in both directions, for the length of a block."""
        self._delay_seconds = seconds
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    def abandon(self) -> None:
        """Makes every connection of this moment half open: nothing passes any more, and neither end is notified.

        After a while the server closes its end, as its keep-alive would have it do; the client still hears nothing.
        """

        def abandon_all() -> None:
            for link in self._links:
                link.requests.clear()
                link.replies.clear()
                self._loop.call_later(_KEEPALIVE_SECONDS, link.server.transport.abort)

        self._call(abandon_all)

    @contextmanager
    def trapping(self, matches: Callable[[bytes], bool], fate: Fate) -> Iterator[Trap]:
        """Sets a trap for the next request that matches; at the end of the block what it holds back flows on."""
        trap = Trap(matches, fate)
        self._call(lambda: self._traps.append(trap))
        try:
            yield trap
        finally:
            self._call(lambda: self._release(trap))

    def _call(self, action: Callable[[], object]) -> None:
        """Runs an action on the proxy's own thread and waits for it."""
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            server = self._loop.run_until_complete(asyncio.start_server(self._serve, LOOPBACK, self.port, backlog=512))
        except OSError as error:
            self._error = error
            return
        finally:
            self._listening.set()
        self._loop.run_forever()
        server.close()
        self._close_all()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(reader, server_writer, link.requests, lambda chunk: self._watch_request(link, chunk)),
                self._pump(server_reader, writer, link.replies, lambda _: self._watch_reply(link)),
            )
        except asyncio.CancelledError:
            pass  # the proxy stops; asyncio's own callback takes a cancelled connection for a defect
        finally:
            self._links.discard(link)
            link.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event,
        watch: Callable[[bytes], None],
    ) -> None:
        """Copies one direction; `watch` sees each piece before it passes the gate."""
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                watch(chunk)
                await self._flowing.wait()
                await gate.wait()
                writer.write(chunk)
                await writer.drain()
            await gate.wait()
        except OSError:
            pass  # an end broke, which the other one learns now
        finally:
            writer.transport.close()

    def _watch_request(self, link: _Link, chunk: bytes) -> None:
        trap = next((trap for trap in self._traps if not trap.sprung.is_set() and trap.matches(chunk)), None)
        if trap is not None and link.trap is None:
            link.trap = trap
            trap.client_port = link.client.get_extra_info("peername")[1]
            trap.sprung.set()

    @staticmethod
    def _watch_reply(link: _Link) -> None:
        if link.trap is None:
            return
        link.replies.clear()
        if link.trap.fate is Fate.LOST:
            link.close()
        link.trap.replied.set()

    def _release(self, trap: Trap) -> None:
        self._traps.remove(trap)
        for link in self._links:
            if link.trap is trap:
                link.trap = None
                link.replies.set()

    def _close_all(self) -> None:
        for link in self._links:
            link.close()
