"""Turns the log lines of many processes into one readable stream, and keeps each process's own log file.

A structured (JSON) line is shown as time, process, level, message and the fields worth a glance; the file keeps the
line as it was written. Neither the terminal nor the file can end the copying: what cannot be shown or kept is lost.
"""

import contextlib
import itertools
import json
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO

import click

from ops.stack.log_file import LogFile, LogLimits, empty_when_full

_COLOURS = ("cyan", "green", "yellow", "blue", "magenta", "bright_cyan", "bright_green", "bright_blue")
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
_NAME_WIDTH = 10
# Shown already, or the same on every line of one process.
_HIDDEN_FIELDS = frozenset({"ts", "level", "service", "message", "logger", "exception", "hostname", "process"})


_LONGEST_LINE_BYTES = 1024 * 1024
"""A longer line is kept in parts: a process that never ends its line must not fill the supervisor's memory."""


class Console:
    """Prints prefixed lines from several threads, one whole line at a time.

    Args:
        own_log: the file that standard output may go to, which then never grows beyond the limits.
    """

    def __init__(self, own_log: Path | None = None, limits: LogLimits | None = None) -> None:
        self._own_log = own_log if own_log is not None and _goes_to(own_log) else None
        self._limits = limits
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
            # A terminal that went away, a full disk behind it, or one that lacks a letter: none may end the stack.
            with contextlib.suppress(OSError, ValueError):
                click.echo(f"{when:%H:%M:%S} {prefix} {body}", file=sys.stdout)
            if self._own_log is not None and self._limits is not None:
                empty_when_full(self._own_log, self._limits)


def readable(line: str) -> tuple[str, str]:
    """Returns a log line's level and its text for a person; what is no JSON object stays as it is.

    >>> readable('{"ts": "…", "level": "WARNING", "message": "late", "queue": "score"}')
    ('WARNING', 'late  queue=score')
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
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


def follow(name: str, pipe: IO[bytes], log: LogFile, console: Console | None) -> threading.Thread:
    """Copies a process's output to its log file, and to the console if one is given, until the process ends."""

    def copy() -> None:
        with pipe, contextlib.closing(log):
            for raw in iter(partial(pipe.readline, _LONGEST_LINE_BYTES), b""):
                log.write(raw if raw.endswith(b"\n") else raw + b"\n")
                line = raw.decode(errors="replace").rstrip()
                if console is not None and line:
                    console.show(name, line)

    thread = threading.Thread(target=copy, name=f"log {name}", daemon=True)
    thread.start()
    return thread


def _goes_to(log: Path) -> bool:
    """Whether standard output is this file."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), log.stat())
    except (OSError, ValueError):
        return False
