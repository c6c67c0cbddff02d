"""Recall: reads a repeated transaction's record from the shard that may have decided it, before it is scored again.

Only a repeated id needs this. A shard that does not answer fails its own transactions: one that the shard may have
decided is not decided anew elsewhere.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ml.domain.errors import RetryableError
from ml.stores.decisions.decisions import DecisionReader, DecisionRecord
from ml.stores.together import ask_together
from web.entrance.batcher import AdmissionResult
from web.http.errors import QueueUnavailableError, WebError
from web.protection.circuit_breaker import CircuitBreaker


@dataclass(frozen=True, slots=True)
class RecallSource:
    """How a shard's records are read; every wait must be bounded.

    Attributes:
        records: its decision records.
        breaker: refuses while the shard does not answer.
        wait_until_safe: returns once the found records are as safe as answers must be: on disk, on replicas.
    """

    records: DecisionReader
    breaker: CircuitBreaker
    wait_until_safe: Callable[[], None] = lambda: None


class ShardRecall:
    """Reads from each shard the records of the transactions that were placed on it earlier.

    Args:
        sources: of every shard, by name.
    """

    def __init__(self, sources: Mapping[str, RecallSource]) -> None:
        self._sources = dict(sources)

    def complete(self, result: AdmissionResult, *, deadline: float) -> AdmissionResult:
        """Returns the result with the shards' records of its transactions, or the error that kept them unread.

        The shards are asked at the same time, and all of it, the wait for the disk included, ends by the deadline.
        """
        asked: defaultdict[str, list[str]] = defaultdict(list)
        for transaction_id, placement in result.placements.items():
            if not placement.is_new and transaction_id not in result.records:
                asked[placement.shard].append(transaction_id)
        if not asked:
            return result
        found: dict[str, DecisionRecord | WebError] = dict(result.records)
        questions: dict[str, Callable[[], list[DecisionRecord | None]]] = {}
        for shard, transaction_ids in asked.items():
            try:
                questions[shard] = self._question(shard, transaction_ids)
            except WebError as error:
                found |= dict.fromkeys(transaction_ids, error)
        for shard, answer in ask_together(questions, deadline=deadline).items():
            found |= _records(asked[shard], answer)
        return replace(result, records=found)

    def _question(self, shard: str, transaction_ids: Sequence[str]) -> Callable[[], list[DecisionRecord | None]]:
        """Returns the call that reads a shard's records.

        Raises:
            BreakerOpenError: the shard did not answer lately.
            QueueUnavailableError: this process does not know it.
        """
        source = self._sources.get(shard)
        if source is None:
            raise QueueUnavailableError
        source.breaker.check()
        return partial(_find, source, transaction_ids)


def _find(source: RecallSource, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
    """Returns the records; a shard is blamed only once its own client has given up, not for a late request."""
    try:
        records = source.records.find_many(transaction_ids)
        if any(records):
            source.wait_until_safe()
    except RetryableError:
        source.breaker.record_failure()
        raise
    return records


def _records(
    transaction_ids: Sequence[str], answer: "list[DecisionRecord | None] | RetryableError"
) -> dict[str, DecisionRecord | WebError]:
    if isinstance(answer, RetryableError):
        failure = QueueUnavailableError()
        failure.__cause__ = answer
        return dict.fromkeys(transaction_ids, failure)
    return {name: record for name, record in zip(transaction_ids, answer, strict=True) if record is not None}
