"""The index of answered transactions in memory, for tests and tools of one process."""

from collections import defaultdict


class MemoryAnsweredIndex:
    """Keeps the ids of answered transactions in a dictionary of minutes, without expiry."""

    def __init__(self) -> None:
        self._minutes: defaultdict[int, list[str]] = defaultdict(list)

    def add(self, minute: int, *transaction_ids: str) -> None:
        """Notes transactions that were answered in a minute since the epoch."""
        self._minutes[minute] += transaction_ids

    def answered(self, minute: int) -> list[str]:
        """See `AnsweredIndex.answered`."""
        return list(self._minutes[minute])
