"""Recall: reads a repeated transaction's record from the shard that may have decided it, before it is scored again.

Only a repeated id needs this. A shard that does not answer fails its own transactions: one that the shard may have
decided is not decided anew elsewhere.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml.domain.errors import RetryableError
from ml.stores.decisions.decisions import DecisionReader, DecisionRecord
from web.entrance.batcher import AdmissionResult
from web.http.errors import QueueUnavailableError, WebError
from web.protection.circuit_breaker import CircuitBreaker


@dataclass(frozen=True, slots=True)
class RecallSource:
    """How a shard's records are read; every wait must be bounded.

    Attributes:
        records: its decision records.
        breaker: refuses while the shard does not answer.
        wait_for_disk: returns once the found records are on the shard's disk, where answers wait for that.
    """

    records: DecisionReader
    breaker: CircuitBreaker
    wait_for_disk: Callable[[], None] = lambda: None


class ShardRecall:
    """Reads from each shard the records of the transactions that were placed on it earlier.

    Args:
        sources: of every shard, by name.
    """

    def __init__(self, sources: Mapping[str, RecallSource]) -> None:
        self._sources = dict(sources)

    def complete(self, result: AdmissionResult) -> AdmissionResult:
        """Returns the result with the shards' records of its transactions, or the error that kept them unread."""
        asked: defaultdict[str, list[str]] = defaultdict(list)
        for transaction_id, placement in result.placements.items():
            if not placement.is_new and transaction_id not in result.records:
                asked[placement.shard].append(transaction_id)
        if not asked:
            return result
        found = dict(result.records)
        for shard, transaction_ids in asked.items():
            found |= self._ask(shard, transaction_ids)
        return replace(result, records=found)

    def _ask(self, shard: str, transaction_ids: Sequence[str]) -> dict[str, DecisionRecord | WebError]:
        try:
            records = self._find(shard, transaction_ids)
        except WebError as error:
            return dict.fromkeys(transaction_ids, error)
        return {name: record for name, record in zip(transaction_ids, records, strict=True) if record is not None}

    def _find(self, shard: str, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """Returns the records.

        Raises:
            BreakerOpenError: the shard did not answer lately.
            QueueUnavailableError: it does not answer now, or this process does not know it.
        """
        source = self._sources.get(shard)
        if source is None:
            raise QueueUnavailableError
        source.breaker.check()
        try:
            records = source.records.find_many(transaction_ids)
            if any(records):
                source.wait_for_disk()
        except RetryableError as error:
            source.breaker.record_failure()
            raise QueueUnavailableError from error
        return records
