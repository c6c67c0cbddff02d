import io
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from web.server.log_output import MOST_LINES, GatheringHandler


class Stream(io.StringIO):
    """Counts writes and signals each one."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.wrote = threading.Event()
        self.is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError("no space left on device")
        self.writes += 1
        length = super().write(text)
        self.wrote.set()
        return length


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def log(stream: Stream) -> Iterator[logging.Logger]:
    logger, handler = logging.getLogger("gathered"), GatheringHandler(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_an_informative_line_is_written_without_anything_further(log: logging.Logger, stream: Stream) -> None:
    log.info("first")
    assert stream.wrote.wait(10)
    assert stream.getvalue() == "first\n"


def test_a_warning_is_written_before_the_call_returns_and_after_all_before_it(
    log: logging.Logger, stream: Stream
) -> None:
    for number in range(5):
        log.info("line %d", number)
    log.warning("worse")
    assert stream.getvalue().splitlines() == [*(f"line {number}" for number in range(5)), "worse"]


def test_no_line_is_lost_or_doubled_or_mixed_up_by_many_threads(log: logging.Logger, stream: Stream) -> None:
    def write(name: str) -> None:
        for number in range(500):
            log.info("%s %d", name, number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.warning("end")
    lines = stream.getvalue().splitlines()[:-1]
    for name in "abcd":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(500)]
    assert len(lines) == 2000


def test_more_lines_than_may_wait_are_written_by_their_writer(stream: Stream) -> None:
    handler = GatheringHandler(stream)
    handler._thread._thread = threading.current_thread()  # nobody else writes
    for number in range(MOST_LINES + 1):
        handler.emit(logging.makeLogRecord({"msg": str(number), "levelno": logging.INFO}))
    assert stream.writes == 1
    assert len(stream.getvalue().splitlines()) == MOST_LINES + 1
    handler.close()


def test_a_full_disk_ends_nothing(log: logging.Logger, stream: Stream) -> None:
    stream.is_full = True
    log.warning("lost")
    stream.is_full = False
    log.warning("kept")
    assert stream.getvalue() == "kept\n"


def test_what_waits_is_written_when_the_handler_closes(stream: Stream) -> None:
    handler = GatheringHandler(stream)
    handler._thread._thread = threading.current_thread()
    handler.emit(logging.makeLogRecord({"msg": "last", "levelno": logging.INFO}))
    handler.close()
    assert stream.getvalue() == "last\n"


def test_a_forked_child_writes_its_own_lines_and_not_its_parents(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as stream:
        handler = GatheringHandler(stream)
        handler._thread._thread = threading.current_thread()
        handler.emit(logging.makeLogRecord({"msg": "parent", "levelno": logging.INFO}))
        child = os.fork()
        if child == 0:
            handler.emit(logging.makeLogRecord({"msg": "child", "levelno": logging.ERROR}))
            os._exit(0)
        os.waitpid(child, 0)
        handler.close()
        stream.seek(0)
        assert stream.read().splitlines() == ["child", "parent"]
