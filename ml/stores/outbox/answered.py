"""The index of answered transactions, minute by minute."""

from typing import Protocol


class AnsweredIndex(Protocol):
    """The ids of answered transactions, by minute; every method may raise StoreUnavailableError."""

    def answered(self, minute: int) -> list[str]:
        """Returns the transactions answered in a minute since the epoch."""
        ...
