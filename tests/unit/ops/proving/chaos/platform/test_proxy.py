import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from ops.processes.ports import LOOPBACK, free_port
from ops.proving.chaos.platform.proxy import Fate, Proxy


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while piece := self.request.recv(1024):
                self.request.sendall(b"re: " + piece)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with _Server((LOOPBACK, 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Proxy(server.server_address[1], free_port()) as proxy:
            yield proxy
        server.shutdown()


@contextlib.contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as connection:
        connection.sendall(b"first")
        assert connection.recv(1024) == b"re: first"
        yield connection


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return not connection.recv(1024) and pytest.fail("the connection was closed")
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1024)
    except ConnectionResetError:
        return True


def test_a_frozen_connection_is_silent_and_then_flows_on(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        with proxy.frozen():
            connection.sendall(b"a")
            assert is_silent(connection)
        assert connection.recv(1024) == b"re: a"


def test_an_abandoned_connection_stays_silent_and_a_new_one_is_served(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        proxy.abandon()
        connection.sendall(b"a")
        assert is_silent(connection)
        with connected(proxy):
            pass
        assert is_silent(connection)


def test_while_cut_old_and_new_connections_are_closed(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        with proxy.cut():
            assert is_closed(connection)
            with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as another:
                assert is_closed(another)
        with connected(proxy):
            pass


def test_a_delayed_piece_comes_later_and_whole(proxy: Proxy) -> None:
    with connected(proxy) as connection, proxy.delayed(0.15):
        connection.sendall(b"a")
        assert is_silent(connection)
        assert connection.recv(1024) == b"re: a"


def test_a_held_reply_is_known_to_have_come_and_passes_when_released(proxy: Proxy) -> None:
    with connected(proxy) as connection, connected(proxy) as other:
        with proxy.trapping(lambda piece: piece == b"that one", Fate.HELD) as trap:
            connection.sendall(b"that one")
            assert trap.replied.wait(5)
            assert trap.client_port == connection.getsockname()[1]
            assert is_silent(connection)
            other.sendall(b"that one")  # one trap catches one request
            assert other.recv(1024) == b"re: that one"
        assert connection.recv(1024) == b"re: that one"


def test_a_lost_reply_takes_its_connection_along(proxy: Proxy) -> None:
    with connected(proxy) as connection, proxy.trapping(lambda piece: piece == b"that one", Fate.LOST) as trap:
        connection.sendall(b"another")
        assert connection.recv(1024) == b"re: another"
        connection.sendall(b"that one")
        assert is_closed(connection)
        assert trap.replied.is_set()


def test_a_server_that_is_not_there_closes_the_connection() -> None:
    with Proxy(free_port(), free_port()) as proxy:
        with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as connection:
            assert is_closed(connection)
        assert proxy.connections == 0
