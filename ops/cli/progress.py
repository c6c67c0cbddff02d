"""A progress line: rewritten in place on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

import click

_TERMINAL_SECONDS = 0.1
_PLAIN_SECONDS = 2.0


class ProgressLine:
    """Prints a text that has changed: at most ten times a second on a terminal, every two seconds into a file or pipe.

    Args:
        stream: where to; default: standard output.
        clock: returns the time in seconds.
    """

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stdout
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._interval_seconds = _TERMINAL_SECONDS if self._is_terminal else _PLAIN_SECONDS
        self._printed_at = 0.0
        self._last = ""
        self._printed: str | None = None

    def show(self, text: str) -> None:
        """Shows the text unless one was printed just now or it stands there already."""
        self._last = text
        if self._clock() - self._printed_at >= self._interval_seconds:
            self._print(text)

    def finish(self, text: str | None = None) -> None:
        """Shows the final text, the last one by default, and ends the line."""
        self._print(self._last if text is None else text)
        self._printed = None
        if self._is_terminal:
            click.echo(file=self._stream)

    def _print(self, text: str) -> None:
        if text == self._printed:
            return
        self._printed, self._printed_at = text, self._clock()
        if self._is_terminal:
            click.echo(f"\r\x1b[2K  {text}", nl=False, file=self._stream)
        else:
            click.echo(f"  {text}", file=self._stream)
