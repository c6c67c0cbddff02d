"""Turns the log lines of many processes into one readable stream, and keeps each process's own log file.

A structured (JSON) line is shown as time, process, level, message and the fields worth a glance; the file keeps the
line as it was written.
"""

import itertools
import json
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

_COLOURS = ("cyan", "green", "yellow", "blue", "magenta", "bright_cyan", "bright_green", "bright_blue")
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_NAME_WIDTH = 10
# Shown already, or the same on every line of one process.
_HIDDEN_FIELDS = frozenset({"ts", "level", "service", "message", "logger", "exception", "hostname", "process"})


class Console:
    """Prints prefixed lines from several threads, one whole line at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._palette = itertools.cycle(_COLOURS)
        self._colours: dict[str, str] = {}

    def say(self, text: str, *, level: str = "INFO") -> None:
        """Prints a line of the supervisor itself."""
        self._print("stack", level, text, datetime.now(UTC))

    def show(self, name: str, line: str) -> None:
        """Prints a line that a process wrote."""
        level, text = readable(line)
        self._print(name, level, text, datetime.now(UTC))

    def _print(self, name: str, level: str, text: str, when: datetime) -> None:
        with self._lock:
            colour = self._colours.setdefault(name, next(self._palette))
            prefix = click.style(f"{name:<{_NAME_WIDTH}}", fg=colour)
            body = click.style(text, fg=_LEVEL_COLOURS.get(level))
            # A detached terminal that went away must not take the stack with it.
            try:
                click.echo(f"{when:%H:%M:%S} {prefix} {body}", file=sys.stdout)
            except OSError:
                return


def readable(line: str) -> tuple[str, str]:
    """Returns a log line's level and its text for a person; what is no JSON object stays as it is.

    >>> readable('{"ts": "…", "level": "WARNING", "message": "late", "queue": "score"}')
    ('WARNING', 'late  queue=score')
    """
    try:
        record = json.loads(line)
    except ValueError:
        return "INFO", line
    if not isinstance(record, dict):
        return "INFO", line
    fields = "  ".join(_field(key, value) for key, value in _glance(record).items())
    message = str(record.get("message", ""))
    exception = str(record.get("exception") or "").strip()
    last = exception.splitlines()[-1] if exception else ""
    return str(record.get("level", "INFO")), "  ".join(part for part in (message, fields, last) if part)


def _glance(record: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if key not in _HIDDEN_FIELDS and value not in (None, "")}


def _field(key: str, value: object) -> str:
    return f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}"


def follow(name: str, pipe: IO[bytes], log: Path, console: Console | None) -> threading.Thread:
    """Copies a process's output to its log file, and to the console if one is given, until the process ends."""

    def copy() -> None:
        with pipe, log.open("ab", buffering=0) as file:
            for raw in pipe:
                file.write(raw)
                line = raw.decode(errors="replace").rstrip()
                if console is not None and line:
                    console.show(name, line)

    thread = threading.Thread(target=copy, name=f"log {name}", daemon=True)
    thread.start()
    return thread
