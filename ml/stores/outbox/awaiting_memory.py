"""Answered transactions that a sink has not acknowledged, in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.stores.outbox.awaiting import Awaiting
from ml.stores.outbox.outbox_memory import MemoryStream


class MemoryAwaitingIndex:
    """One sink's view of what a MemoryStream still owes it."""

    def __init__(self, stream: MemoryStream, sink: str) -> None:
        self._stream = stream
        self._sink = sink

    def overdue(self, *, before_ms: int, count: int) -> list[Awaiting]:
        """See `AwaitingIndex.overdue`."""
        since = sorted((moment, name) for name, moment in self._stream.awaiting[self._sink].items())
        return [Awaiting(name, moment) for moment, name in since if moment <= before_ms][:count]

    def held(self, awaiting: Sequence[Awaiting]) -> set[str]:
        """See `AwaitingIndex.held`."""
        present = {entry.transaction_id for entry in self._stream.entries.values()}
        present |= {letter.transaction_id for letter in self._stream.dead[self._sink].values()}
        return present & {item.transaction_id for item in awaiting}

    def awaiting(self, transaction_ids: Sequence[str]) -> set[str]:
        """See `AwaitingIndex.awaiting`."""
        return set(transaction_ids) & set(self._stream.awaiting[self._sink])

    def acknowledge(self, transaction_ids: Sequence[str]) -> None:
        """See `AwaitingIndex.acknowledge`."""
        for transaction_id in transaction_ids:
            self._stream.awaiting[self._sink].pop(transaction_id, None)

    def repair(self, transaction_id: str, event: bytes, *, awaited_since_ms: int | None) -> bool:
        """See `AwaitingIndex.repair`."""
        if self._stream.awaiting[self._sink].get(transaction_id) != awaited_since_ms:
            return False
        self._stream.add(transaction_id, event, only=self._sink)
        return True
