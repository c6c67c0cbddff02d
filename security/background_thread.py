"""A background thread that survives a fork: a forked child starts its own when it first needs it."""

import os
import threading
import weakref
from collections.abc import Callable


class BackgroundThread:
    """Runs a function in a daemon thread (a greenlet under gevent); one at a time, never across a fork.

    A forked child has no thread: `after_fork` gives its owner fresh locks and queues, then the next `start` begins
    another. A thread that ended, by itself or by an exception, is replaced by the next `start` likewise.

    Args:
        run: the thread's function; the thread ends when it returns.
        name: of the thread.
        after_fork: called in a forked child before anything else, because a lock of the parent may never open there.
    """

    def __init__(
        self, run: Callable[[], object], *, name: str, after_fork: Callable[[], object] = lambda: None
    ) -> None:
        self._run = run
        self._name = name
        self._after_fork = after_fork
        self._forget()
        in_child = weakref.WeakMethod(self._in_child)
        os.register_at_fork(after_in_child=lambda: (method := in_child()) is not None and method())

    def _forget(self) -> None:
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None

    def _in_child(self) -> None:
        self._forget()
        self._after_fork()

    @property
    def is_running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def start(self) -> None:
        """Starts the thread unless it runs."""
        if self._thread is not None:  # nearly always, and then without the lock
            return
        with self._changing:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run_and_leave, name=self._name, daemon=True)
                self._thread.start()

    def join(self, timeout_seconds: float) -> None:
        """Waits until the thread has ended, if there is one, at most for the timeout."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)

    def _run_and_leave(self) -> None:
        try:
            self._run()
        finally:
            with self._changing:
                self._thread = None
