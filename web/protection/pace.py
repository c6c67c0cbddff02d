"""How fast scoring messages are answered, and so how long a request that joins the queue now would wait."""

_WEIGHT = 0.2
"""Of the newest message: a single stall is forgotten after a few."""

_SHARE_OF_DEADLINE = 0.75
"""Expected waits beyond this share of a deadline are not begun: the rest allows for errors of the estimate."""


class Pace:
    """A moving mean of the time from sending a message to its reply, seconds; 0 before the first."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds = 0.0

    def note(self, seconds: float) -> None:
        """Takes in how long a message took."""
        self._seconds += (seconds - self._seconds) * (_WEIGHT if self._seconds else 1.0)

    def is_hopeless(self, messages_ahead: int, timeout_seconds: float) -> bool:
        """Whether a request behind so many full messages would hardly be answered within its timeout.

        A request with no message ahead is always tried, because only an answered message can correct a high mean. Half
        of the time of the message in flight is still to come on average.
        """
        return messages_ahead > 0 and (messages_ahead + 1.5) * self._seconds > _SHARE_OF_DEADLINE * timeout_seconds
