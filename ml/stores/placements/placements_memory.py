"""Placements in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.stores.placements.placements import Placement


class MemoryPlacements:
    """Keeps placements in a dictionary, without expiry."""

    def __init__(self) -> None:
        self._shards: dict[str, str] = {}

    def place(self, proposals: Sequence[tuple[str, str]]) -> list[Placement]:
        """See `Placements.place`."""
        return [self._place(transaction_id, shard) for transaction_id, shard in proposals]

    def find_many(self, transaction_ids: Sequence[str]) -> list[str | None]:
        """See `Placements.find_many`."""
        return [self._shards.get(transaction_id) for transaction_id in transaction_ids]

    def _place(self, transaction_id: str, shard: str) -> Placement:
        is_new = transaction_id not in self._shards
        return Placement(self._shards.setdefault(transaction_id, shard), is_new)
