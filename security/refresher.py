"""A thread that calls a function at an interval, so that the request path finds fresh values in memory."""

import logging
import threading
from collections.abc import Callable

from security.background_thread import BackgroundThread

_log = logging.getLogger(__name__)


class Refresher:
    """Calls `refresh` every interval, and sooner when woken, in a thread (a greenlet under gevent) of its own.

    After a fork the child has no thread until it starts one.

    Args:
        refresh: handles its own failures; an unexpected one is logged, and the next call follows.
        interval_seconds: from the end of a call to the start of the next.
        name: of the thread.
    """

    def __init__(self, refresh: Callable[[], object], *, interval_seconds: float, name: str) -> None:
        self._refresh = refresh
        self._interval_seconds = interval_seconds
        self._name = name
        self._renew()
        self._thread = BackgroundThread(self._run, name=name, after_fork=self._renew)

    def _renew(self) -> None:
        self._woken = threading.Event()
        self._stopping = False

    def start(self) -> None:
        """Starts the thread unless it runs; the first call comes at once."""
        self._stopping = False
        self._thread.start()

    def wake(self) -> None:
        """Asks for a call now."""
        self._woken.set()

    def stop(self, timeout_seconds: float = 1.0) -> None:
        """Ends the thread after its present call; waits for that, at most for the timeout."""
        self._stopping = True
        self._woken.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                self._refresh()
            except Exception:  # noqa: BLE001 - without the thread, the process would use old values from then on
                _log.exception("%s failed", self._name)
            if not self._stopping:
                self._woken.wait(self._interval_seconds)
