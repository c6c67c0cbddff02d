import json
import os
from pathlib import Path

import pytest

from ops.stack.supervision.console import Console, follow, readable


def test_a_structured_line_becomes_message_and_fields() -> None:
    line = json.dumps(
        {"ts": "t", "level": "INFO", "service": "web", "message": "answered", "route": "/x", "total_ms": 3.14159}
    )
    assert readable(line) == ("INFO", "answered  route=/x  total_ms=3.14")


def test_an_exception_is_shown_by_its_last_line() -> None:
    line = json.dumps({"level": "ERROR", "message": "failed", "exception": "Traceback…\n  File x\nValueError: bad"})
    assert readable(line) == ("ERROR", "failed  ValueError: bad")


@pytest.mark.parametrize("line", ["plain text", "[1, 2]", "{broken", "3"])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert readable(line) == ("INFO", line)


def test_a_process_s_lines_reach_its_file_whole_and_the_terminal_prefixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    log = tmp_path / "score-1.log"
    thread = follow("score-1", os.fdopen(reader, "rb"), log, Console())
    line = b'{"level": "INFO", "message": "scored", "decision": "decline"}\n'
    os.write(writer, line)
    os.close(writer)
    thread.join(5)
    assert log.read_bytes() == line
    prefix, _, text = capsys.readouterr().out.rstrip().partition("score-1")
    assert len(prefix) == len("12:00:00 ")
    assert text.strip() == "scored  decision=decline"
