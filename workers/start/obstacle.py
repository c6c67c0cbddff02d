"""What keeps this worker from its queue although the server answers: a refusal that somebody else has to mend.

Until then the worker is not ready and gives no sign of life, and its watchdog leaves it alone: a new process would meet
the same refusal.
"""

import logging
from typing import Final

_log = logging.getLogger(__name__)


class Obstacle:
    """Written by the consumer, read by the threads beside it; one assignment each."""

    def __init__(self) -> None:
        self._reason: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether the consumer was refused, and has read nothing since."""
        return self._reason is not None

    def note(self, reason: str) -> None:
        """The consumer was refused."""
        if reason != self._reason:
            _log.error("this worker takes no messages until Redis lets it: %s", reason)
        self._reason = reason

    def clear(self) -> None:
        """The consumer has read its queue, whether or not a message was there."""
        if self._reason is not None:
            self._reason = None
            _log.warning("this worker takes messages again")


OBSTACLE: Final = Obstacle()
"""Of this process, which has one consumer."""
