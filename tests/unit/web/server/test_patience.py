import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from web.server import patience
from web.server.patience import MAX_READ_BYTES, MIN_READ_BYTES, PatientReader


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def make_reader(
    ours: socket.socket, *, request_seconds: float = 1.0, rest_seconds: Callable[[], float] = lambda: 0.05
) -> PatientReader:
    return PatientReader(ours, request_seconds=request_seconds, rest_seconds=rest_seconds)


def test_a_connection_rests_longer_than_a_request_may_take(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    reader = make_reader(ours, request_seconds=0.01, rest_seconds=lambda: 30)
    reader.begin_rest()
    timer = threading.Timer(0.1, theirs.sendall, [b"GET / HTTP/1.1\r\n"])
    timer.start()
    assert reader() == b"GET / HTTP/1.1\r\n"
    timer.join()
    # From its first byte on the head has the time of a request; late, it ends the connection without a word.
    assert reader() == b""


def test_a_connection_that_rests_too_long_ends(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = ends
    reader = make_reader(ours, request_seconds=60)
    reader.begin_rest()
    assert reader() == b""


def test_a_resting_connection_ends_when_the_process_has_no_time_for_it_any_more(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "IDLE_STEP_SECONDS", 0.01)
    ours, theirs = ends
    allowed = iter([30.0, 30.0, 30.0])
    reader = make_reader(ours, rest_seconds=lambda: next(allowed, 0.0))
    reader.begin_rest()
    assert reader() == b""
    theirs.sendall(b"late")
    assert reader() == b""


def test_a_body_that_comes_too_late_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    reader = make_reader(ours, request_seconds=0.01)
    reader.begin_rest()
    theirs.sendall(b"POST")
    assert reader() == b"POST"
    reader.begin_request()
    with pytest.raises(TimeoutError):
        reader()


def test_reads_what_is_there_and_nothing_at_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    reader = make_reader(ours)
    theirs.sendall(b"hello")
    assert reader() == b"hello"
    theirs.close()
    assert reader() == b""


def test_after_the_deadline_nothing_is_read_though_bytes_are_there(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    reader = make_reader(ours)
    theirs.sendall(b"late")
    reader.deadline = time.monotonic()
    with pytest.raises(TimeoutError):
        reader()
    reader.deadline = None
    assert reader() == b"late"


def test_a_read_ends_at_the_deadline_and_leaves_the_bound_of_writing(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = ends
    reader = make_reader(ours, request_seconds=7.0)
    reader.deadline = time.monotonic() + 0.01
    with pytest.raises(TimeoutError):
        reader()
    assert ours.gettimeout() == 7.0


@pytest.mark.parametrize(("hint", "most"), [(None, MIN_READ_BYTES), (1, MIN_READ_BYTES), (10**9, MAX_READ_BYTES)])
def test_one_read_is_bounded(ends: tuple[socket.socket, socket.socket], hint: int | None, most: int) -> None:
    ours, theirs = ends
    theirs.setblocking(False)
    sent = theirs.send(b"x" * 200_000)
    received = make_reader(ours)(hint)
    assert 0 < len(received) <= min(most, sent)
