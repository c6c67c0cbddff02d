"""Decision records of all shards, found by transaction id alone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import DecisionReader, DecisionRecord, PartlyReadError
from ml.stores.placements.placements import Placements


class ShardedDecisions:
    """Reads records where their transactions were placed.

    Args:
        placements: the shard of each transaction.
        shards: the records of each shard by name.
        unplaced: the records from before there were shards.
    """

    def __init__(
        self, placements: Placements, shards: Mapping[str, DecisionReader], *, unplaced: DecisionReader
    ) -> None:
        self._placements = placements
        self._shards = dict(shards)
        self._unplaced = unplaced

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """See `DecisionReader.find`."""
        return self.find_many([transaction_id])[0]

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionReader.find_many`; one round trip per shard."""
        found = dict(zip(transaction_ids, self._unplaced.find_many(transaction_ids), strict=True))
        missing = [transaction_id for transaction_id, record in found.items() if record is None]
        by_shard: defaultdict[str, list[str]] = defaultdict(list)
        for transaction_id, shard in zip(missing, self._placements.find_many(missing), strict=True):
            if shard is not None:
                by_shard[shard].append(transaction_id)
        failures: dict[str, StoreUnavailableError] = {}
        for shard, placed in by_shard.items():
            try:
                found |= zip(placed, self._records_of(shard, placed), strict=True)
            except StoreUnavailableError as error:
                failures[shard] = error
        records = [found[transaction_id] for transaction_id in transaction_ids]
        if failures:
            unread = frozenset(name for shard in failures for name in by_shard[shard])
            raise PartlyReadError("; ".join(map(str, failures.values())), records=records, unread=unread)
        return records

    def _records_of(self, shard: str, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        if shard not in self._shards:
            raise StoreUnavailableError(f"shard {shard} is not in SCORE_SHARD_URLS")
        return self._shards[shard].find_many(transaction_ids)
