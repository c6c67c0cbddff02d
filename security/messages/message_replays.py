"""Remembers the messages that a process has taken, so that a captured message has no effect when it is sent again.

Only verified messages are remembered, so only holders of the message key can fill the memory. A message is forgotten
after its deadline: from then on it is refused for its age.
"""

import time
from collections.abc import Callable

from security.errors import MessageRejectedError

REMEMBERED = 20_000
"""Most message ids kept; some hundred times what one worker takes within the longest deadline of a scoring message."""


class SeenMessages:
    """The message ids of one process; not shared, since the same message in two workers is harmless (ops/adr/0012).

    Args:
        limit: most ids kept; the oldest goes first.
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
        """Drops expired ids, oldest first: at most two per message, so the memory shrinks faster than it grows."""
        now_ms = self._now_ms()
        for _ in range(2):
            oldest = next(iter(self._deadlines))
            if self._deadlines[oldest] >= now_ms and len(self._deadlines) <= self._limit:
                return
            del self._deadlines[oldest]
            if not self._deadlines:
                return
