import io
import json
import os
from pathlib import Path

import pytest

from ops.stack.log_file import LogFile, LogLimits
from ops.stack.supervision.console import Console, follow, readable

LIMITS = LogLimits(file_bytes=1_000_000, older_files=1)


def test_a_structured_line_becomes_message_and_fields() -> None:
    line = json.dumps(
        {"ts": "t", "level": "INFO", "service": "web", "message": "answered", "route": "/x", "total_ms": 3.14159}
    )
    assert readable(line) == ("INFO", "answered  route=/x  total_ms=3.14")


def test_an_exception_is_shown_by_its_last_line() -> None:
    line = json.dumps({"level": "ERROR", "message": "failed", "exception": "Traceback…\n  File x\nValueError: bad"})
    assert readable(line) == ("ERROR", "failed  ValueError: bad")


@pytest.mark.parametrize("line", ["plain text", "[1, 2]", "{broken", "3", "[" * 4000, "1" * 5000])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert readable(line) == ("INFO", line)


def test_a_process_s_lines_reach_its_file_whole_and_the_terminal_prefixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    log = tmp_path / "score-1.log"
    thread = follow("score-1", os.fdopen(reader, "rb"), LogFile(log, LIMITS), Console())
    line = b'{"level": "INFO", "message": "scored", "decision": "decline"}\n'
    os.write(writer, line)
    os.close(writer)
    thread.join(5)
    assert log.read_bytes() == line
    prefix, _, text = capsys.readouterr().out.rstrip().partition("score-1")
    assert len(prefix) == len("12:00:00 ")
    assert text.strip() == "scored  decision=decline"


@pytest.mark.parametrize(
    ("written", "kept"),
    [(b"[" * 4000 + b"\nnext\n", b"[" * 4000 + b"\nnext\n"), (b"\xff\xfe\nno newline", b"\xff\xfe\nno newline\n")],
    ids=["nested too deep", "no text"],
)
def test_no_line_ends_the_copying(tmp_path: Path, written: bytes, kept: bytes) -> None:
    reader, writer = os.pipe()
    thread = follow("web", os.fdopen(reader, "rb"), LogFile(tmp_path / "web.log", LIMITS), Console())
    os.write(writer, written)
    os.close(writer)
    thread.join(60)
    assert (tmp_path / "web.log").read_bytes() == kept


def test_a_terminal_that_lacks_a_letter_or_is_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", ascii_only)
    Console().show("web", "schön")
    ascii_only.close()
    Console().show("web", "gone")


def test_the_supervisor_s_own_log_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stack.log"
    with path.open("a") as output:
        monkeypatch.setattr("sys.stdout", output)
        console = Console(path, LogLimits(file_bytes=200, older_files=1))
        for number in range(50):
            console.say(f"event {number}")
    assert {file.name for file in tmp_path.iterdir()} == {"stack.log", "stack.log.1"}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 600


def test_a_file_that_is_not_its_own_log_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, users = tmp_path / "stack.log", tmp_path / "users.log"
    own.write_text("x" * 500)
    with users.open("a") as output:
        monkeypatch.setattr("sys.stdout", output)
        Console(own, LogLimits(file_bytes=200, older_files=1)).say("hello")
    assert own.stat().st_size == 500
    assert users.read_text().endswith("hello\n")
