import socket
import time
from collections.abc import Iterator

import pytest

from web.server.patience import MAX_READ_BYTES, MIN_READ_BYTES, PatientReader


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_reads_what_is_there_and_nothing_at_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    reader = PatientReader(ours, write_timeout_seconds=1.0)
    theirs.sendall(b"hello")
    assert reader() == b"hello"
    theirs.close()
    assert reader() == b""


def test_after_the_deadline_nothing_is_read_though_bytes_are_there(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    reader = PatientReader(ours, write_timeout_seconds=1.0)
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
    reader = PatientReader(ours, write_timeout_seconds=7.0)
    reader.deadline = time.monotonic() + 0.01
    with pytest.raises(TimeoutError):
        reader()
    assert ours.gettimeout() == 7.0


@pytest.mark.parametrize(("hint", "most"), [(None, MIN_READ_BYTES), (1, MIN_READ_BYTES), (10**9, MAX_READ_BYTES)])
def test_one_read_is_bounded(ends: tuple[socket.socket, socket.socket], hint: int | None, most: int) -> None:
    ours, theirs = ends
    theirs.setblocking(False)
    sent = theirs.send(b"x" * 200_000)
    received = PatientReader(ours, write_timeout_seconds=1.0)(hint)
    assert 0 < len(received) <= min(most, sent)
