"""Decision records in memory, for tests and tools of one process."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson

from ml.scoring_batch import ResultStatus, Settled
from ml.stores.decisions import CommitReport, DecisionRecord, NewDecision, Reply


class MemoryDecisionStore:
    """Keeps records, outbox events and replies in dictionaries, without expiry.

    Attributes:
        events: the outbox, oldest first.
        replies: the parsed replies by address, oldest first.
    """

    def __init__(self, *, outbox_limit: int = 100_000) -> None:
        self._records: dict[str, DecisionRecord] = {}
        self._outbox_limit = outbox_limit
        self.events: list[bytes] = []
        self.replies: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def commit(self, entries: Sequence[NewDecision | Settled], reply: Reply) -> CommitReport:
        """See `DecisionStore.commit`; the doorbells ring whenever something new was recorded."""
        counts = dict.fromkeys(("recorded", "replayed", "conflicts", "overloaded"), 0)
        results = [self._settle(entry, reply, counts) for entry in entries]
        self.replies[reply.address].append({"batch_id": reply.batch_id, "results": results})
        return CommitReport(**counts, rings=("explain", "publish") if counts["recorded"] else ())

    def _settle(self, entry: NewDecision | Settled, reply: Reply, counts: dict[str, int]) -> dict[str, Any]:
        if isinstance(entry, Settled):
            settled: dict[str, Any] = orjson.loads(entry.json())
            return settled
        record = self._records.get(entry.transaction_id)
        if record is None and len(self.events) >= self._outbox_limit:
            counts["overloaded"] += 1
            return {"status": ResultStatus.OVERLOADED.value}
        if record is None:
            counts["recorded"] += 1
            record = DecisionRecord(entry.fingerprint, orjson.loads(entry.decision), orjson.loads(entry.transaction))
            self._records[entry.transaction_id] = record
            self.events.append(entry.event)
        elif record.fingerprint != entry.fingerprint:
            counts["conflicts"] += 1
            return {"status": ResultStatus.CONFLICT.value}
        else:
            counts["replayed"] += 1
        return {"status": ResultStatus.SCORED.value, "decision": record.decision, "timings": reply.timings}

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """See `DecisionStore.find`."""
        return self._records.get(transaction_id)

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionStore.find_many`."""
        return [self._records.get(transaction_id) for transaction_id in transaction_ids]
