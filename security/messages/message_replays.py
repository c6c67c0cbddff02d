"""Remembers the messages that a process has taken, so that a captured one gains nothing when it is sent again.

Only verified messages are remembered, so nobody without the key can fill the memory. Each is forgotten after its
deadline, from which on it is refused for its age.
"""

import time
from collections.abc import Callable

from security.errors import MessageRejectedError

REMEMBERED = 20_000
"""Most message ids kept; some hundred times what one worker takes within the longest deadline of a scoring message."""


class SeenMessages:
    """The ids of one process; not shared, since what another worker may do twice is harmless (ops/adr/0012).

    Args:
        limit: most ids kept; the one that was taken first goes first.
        now_ms: the clock, epoch milliseconds.
    """

    def __init__(
        self, *, limit: int = REMEMBERED, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._limit = limit
        self._now_ms = now_ms
        self._deadlines: dict[str, int] = {}

    def take(self, message_id: str, deadline_ms: int) -> None:
        """Remembers a message until its deadline.

        Raises:
            MessageRejectedError: `message_replayed`: it was taken before.
        """
        if message_id in self._deadlines:
            raise MessageRejectedError("message_replayed")
        self._deadlines[message_id] = deadline_ms
        self._forget()

    def _forget(self) -> None:
        """Drops what is over, from the oldest on: two looks per message taken keep ahead of one arrival."""
        now_ms = self._now_ms()
        for _ in range(2):
            oldest = next(iter(self._deadlines))
            if self._deadlines[oldest] >= now_ms and len(self._deadlines) <= self._limit:
                return
            del self._deadlines[oldest]
            if not self._deadlines:
                return
