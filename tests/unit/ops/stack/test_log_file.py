import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ops.proving.chaos.platform.disk import full_disk, small_disk
from ops.stack.log_file import LogFile, LogLimits, empty_when_full, rotate

Opener = Callable[[Path, LogLimits], LogFile]


@pytest.fixture
def log_file() -> Iterator[Opener]:
    with ExitStack() as opened:
        yield lambda path, limits: opened.enter_context(closing(LogFile(path, limits)))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_full_file_is_put_aside_and_the_oldest_is_deleted(tmp_path: Path, log_file: Opener) -> None:
    log = log_file(tmp_path / "web.log", LogLimits(file_bytes=100, older_files=2))
    for number in range(50):
        log.write(f"line {number:04}\n".encode())
    assert names(tmp_path) == {"web.log", "web.log.1", "web.log.2"}
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    kept = [
        line for name in ("web.log.2", "web.log.1", "web.log") for line in (tmp_path / name).read_text().split("\n")
    ]
    assert [line for line in kept if line] == [f"line {number:04}" for number in range(20, 50)]


def test_without_older_files_a_full_file_begins_anew(tmp_path: Path, log_file: Opener) -> None:
    log = log_file(tmp_path / "web.log", LogLimits(file_bytes=25, older_files=0))
    for number in range(3):
        log.write(f"line {number:04}\n".encode())
    assert names(tmp_path) == {"web.log"}
    assert (tmp_path / "web.log").read_text() == "line 0002\n"


def test_fewer_older_files_than_before_delete_the_rest(tmp_path: Path) -> None:
    for name in ("web.log", "web.log.1", "web.log.7", "web.log.old"):
        (tmp_path / name).write_text(name)
    rotate(tmp_path / "web.log", 2)
    assert names(tmp_path) == {"web.log.1", "web.log.2", "web.log.old"}
    assert (tmp_path / "web.log.2").read_text() == "web.log.1"


def test_a_line_longer_than_a_file_is_kept_whole(tmp_path: Path, log_file: Opener) -> None:
    log = log_file(tmp_path / "web.log", LogLimits(file_bytes=10, older_files=1))
    log.write(b"x" * 30 + b"\n")
    assert (tmp_path / "web.log").read_bytes() == b"x" * 30 + b"\n"


@pytest.mark.parametrize("before", [["before"], []], ids=["while it is written", "before its first line"])
def test_lines_lost_on_a_full_disk_are_counted_and_the_next_ones_written(
    tmp_path: Path, log_file: Opener, before: list[str]
) -> None:
    with small_disk(tmp_path, 1):
        log = log_file(tmp_path / "log" / "web.log", LogLimits(file_bytes=100_000, older_files=1))
        for line in before:
            log.write(f"{line}\n".encode())
        with full_disk(tmp_path, [os.getpid()]):
            for _ in range(3):
                log.write(b"lost " * 2000 + b"\n")
        log.write(b"after\n")
        log.close()
        lines = (tmp_path / "log" / "web.log").read_text().splitlines()
    # No part of a lost line stays behind.
    assert lines[:-2] == before
    assert json.loads(lines[-2])["lines"] == 3
    assert json.loads(lines[-2])["level"] == "WARNING"
    assert lines[-1] == "after"


def test_a_file_that_was_deleted_to_make_room_begins_anew(tmp_path: Path, log_file: Opener) -> None:
    log = log_file(tmp_path / "web.log", LogLimits(file_bytes=100, older_files=1))
    log.write(b"one\n")
    (tmp_path / "web.log").unlink()
    log.write(b"two\n")
    assert (tmp_path / "web.log").read_bytes() == b"two\n"


def test_the_file_behind_standard_output_is_copied_aside_and_emptied_under_its_writer(tmp_path: Path) -> None:
    path, limits = tmp_path / "stack.log", LogLimits(file_bytes=10, older_files=1)
    with path.open("ab", buffering=0) as output:
        output.write(b"short\n")
        empty_when_full(path, limits)
        assert path.read_bytes() == b"short\n"
        output.write(b"and more\n")
        empty_when_full(path, limits)
        output.write(b"next\n")
    assert path.read_bytes() == b"next\n"
    assert (tmp_path / "stack.log.1").read_bytes() == b"short\nand more\n"
