"""The index of what was answered, minute by minute."""

from typing import Protocol


class AnsweredIndex(Protocol):
    """The ids of what was answered, by time; every method may raise StoreUnavailableError."""

    def answered(self, minute: int) -> list[str]:
        """Returns the transactions answered in a minute since the epoch."""
        ...
