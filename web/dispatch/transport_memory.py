"""A transport without a broker, for tests and tools of one process: a function takes the worker's place."""

import queue
from collections.abc import Callable

from web.scoring.batch import Batch

Scorer = Callable[[Batch], bytes]


class MemoryTransport:
    """Scores each batch at once with a function that returns the reply's bytes."""

    def __init__(self, score: Scorer) -> None:
        self._score = score
        self._replies: queue.Queue[bytes] = queue.Queue()

    def connect(self) -> None:
        """See `Transport.connect`; there is nothing to connect to."""

    def publish(self, batch: Batch) -> None:
        """See `Transport.publish`."""
        self._replies.put(self._score(batch))

    def seal(self, batch: Batch) -> None:
        """See `Transport.seal`: there is no queue."""

    def wait(self, timeout_seconds: float) -> bytes | None:
        """See `Transport.wait`."""
        try:
            return self._replies.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
