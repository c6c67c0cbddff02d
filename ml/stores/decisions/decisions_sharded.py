"""Decision records of all shards, found by transaction id alone."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from ml.domain.errors import RetryableError, StoreUnavailableError
from ml.stores.decisions.decisions import DecisionReader, DecisionRecord, PartlyReadError
from ml.stores.placements.placements import Placements
from ml.stores.together import ask_together

_Answer = TypeVar("_Answer")


class ShardedDecisions:
    """Reads records where their transactions were placed.

    Args:
        placements: the shard of each transaction.
        shards: the records of each shard by name.
        unplaced: the records from before there were shards.
        within_seconds: longest wait for all of a call.
    """

    def __init__(
        self,
        placements: Placements,
        shards: Mapping[str, DecisionReader],
        *,
        unplaced: DecisionReader,
        within_seconds: float,
    ) -> None:
        self._placements = placements
        self._shards = dict(shards)
        self._unplaced = unplaced
        self._within_seconds = within_seconds

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """See `DecisionReader.find`."""
        return self.find_many([transaction_id])[0]

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionReader.find_many`; the shards are asked at the same time."""
        deadline = time.monotonic() + self._within_seconds
        old = _ask(lambda: self._unplaced.find_many(transaction_ids), deadline)
        found = dict(zip(transaction_ids, old, strict=True))
        missing = [transaction_id for transaction_id, record in found.items() if record is None]
        by_shard: defaultdict[str, list[str]] = defaultdict(list)
        places = _ask(lambda: self._placements.find_many(missing), deadline) if missing else []
        for transaction_id, shard in zip(missing, places, strict=True):
            if shard is not None:
                by_shard[shard].append(transaction_id)
        questions = {shard: partial(self._records_of, shard, placed) for shard, placed in by_shard.items()}
        failures: dict[str, RetryableError] = {}
        for shard, answer in ask_together(questions, deadline=deadline).items():
            if isinstance(answer, RetryableError):
                failures[shard] = answer
            else:
                found |= zip(by_shard[shard], answer, strict=True)
        records = [found[transaction_id] for transaction_id in transaction_ids]
        if failures:
            unread = frozenset(name for shard in failures for name in by_shard[shard])
            reasons = "; ".join(f"shard {shard}: {error}" for shard, error in failures.items())
            raise PartlyReadError(reasons, records=records, unread=unread)
        return records

    def _records_of(self, shard: str, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        if shard not in self._shards:
            raise StoreUnavailableError(f"{shard} is not in SCORE_SHARD_URLS")
        return self._shards[shard].find_many(transaction_ids)


def _ask(question: Callable[[], _Answer], deadline: float) -> _Answer:
    """Returns the answer of the one server that all shards share.

    Raises:
        RetryableError: there is none in time.
    """
    answer = ask_together({"shared": question}, deadline=deadline)["shared"]
    if isinstance(answer, RetryableError):
        raise answer
    return answer
