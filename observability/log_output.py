"""Where log lines leave the process: several at once where several are ready, without a timer.

A write to standard error costs a busy process more than making the line. So a line that is only informative is put
down for a thread (a greenlet under gevent) that writes all there is as soon as it gets its turn; the lines that come
meanwhile go out with its next. A warning, or anything worse, is written at once, and all before it with it. A process
that is killed may take the informative lines of its last moment with it.
"""

import atexit
import logging
import os
import threading
import weakref
from typing import TextIO

MOST_LINES = 1000
"""Lines that wait at most; the one after writes them itself."""


class GatheringHandler(logging.StreamHandler[TextIO]):
    """Writes lines in the order in which they were logged."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._reset()
        reset = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: (method := reset()) is not None and method())
        atexit.register(self.write_out)

    def _reset(self) -> None:
        self._lines: list[str] = []  # a forked child leaves its parent's lines to the parent
        self._waiting = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Puts the line down, or writes it if it is urgent."""
        try:
            line = self.format(record) + self.terminator
        except Exception:  # noqa: BLE001 - as in every handler: a line that cannot be made must not end the work
            self.handleError(record)
            return
        self._lines.append(line)
        if record.levelno >= logging.WARNING or len(self._lines) > MOST_LINES:
            self.write_out()
            return
        self._waiting.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_again_and_again, name="log-output", daemon=True)
            self._thread.start()

    def write_out(self) -> None:
        """Writes what was put down so far; a stream that cannot be written to loses it, as it would any line."""
        with self.lock or threading.RLock():
            lines, self._lines = self._lines, []
            try:
                self.stream.write("".join(lines))
                self.flush()
            except (OSError, ValueError):  # a full disk, a closed pipe, a closed stream
                return

    def close(self) -> None:
        """Writes what is left."""
        self.write_out()
        atexit.unregister(self.write_out)
        super().close()

    def _write_again_and_again(self) -> None:
        while self._waiting.wait():
            self._waiting.clear()
            self.write_out()
