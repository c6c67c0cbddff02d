"""Where log lines leave the process: several in one write where several are ready, without a timer.

In a busy process a write to standard error costs more than making the line. So an informative line waits in memory for
a thread (a greenlet under gevent), which writes all waiting lines as soon as it gets its turn. A warning, or anything
worse, is written at once, together with the lines that wait. A process that is killed may lose the informative lines
of its last moment.
"""

import atexit
import logging
import threading
from typing import TextIO

from security.background_thread import BackgroundThread

MOST_LINES = 1000
"""Lines that wait at most; the next call writes them itself."""


class GatheringHandler(logging.StreamHandler[TextIO]):
    """Writes lines in the order in which they were logged."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._renew()
        self._thread = BackgroundThread(self._write_again_and_again, name="log-output", after_fork=self._renew)
        atexit.register(self.write_out)

    def _renew(self) -> None:
        self._lines: list[str] = []  # a forked child leaves its parent's lines to the parent
        self._waiting = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the line for the thread, or writes it at once if it is urgent."""
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
        self._thread.start()

    def write_out(self) -> None:
        """Writes the waiting lines; if the stream takes no text, they are lost."""
        with self.lock or threading.RLock():
            lines, self._lines = self._lines, []
            try:
                self.stream.write("".join(lines))
                self.flush()
            except (OSError, ValueError):  # a full disk, a closed pipe, a closed stream
                return

    def close(self) -> None:
        """Writes the lines that still wait."""
        self.write_out()
        atexit.unregister(self.write_out)
        super().close()

    def _write_again_and_again(self) -> None:
        while self._waiting.wait():
            self._waiting.clear()
            self.write_out()
