"""Decision records in memory, for tests and tools of one process."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson

from ml.domain.scoring_batch import ResultStatus, Undecided
from ml.stores.decisions.decisions import CommitOutcome, CommitReport, DecisionRecord, NewDecision, Reply
from ml.stores.outbox.outbox import SINKS


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

    def commit(self, entries: Sequence[NewDecision | Undecided], reply: Reply) -> CommitReport:
        """See `DecisionStore.commit`; each recorded decision asks for doorbells."""
        outcomes = tuple(self._record(entry) for entry in entries)
        results = [self._result(entry, outcome, reply) for entry, outcome in zip(entries, outcomes, strict=True)]
        answer = {"batch_id": reply.batch_id, "results": results}
        doorbells = SINKS if CommitOutcome.RECORDED in outcomes else ()
        if reply.address is None:
            return CommitReport(outcomes, doorbells, orjson.dumps(answer))
        self.replies[reply.address].append(answer)
        return CommitReport(outcomes, doorbells)

    def _record(self, entry: NewDecision | Undecided) -> CommitOutcome:
        if isinstance(entry, Undecided):
            return CommitOutcome.PASSED_ON
        record = self._records.get(entry.transaction_id)
        if record is not None:
            same = record.fingerprint == entry.fingerprint
            return CommitOutcome.REPEATED if same else CommitOutcome.CONFLICT
        if len(self.events) >= self._outbox_limit:
            return CommitOutcome.OVERLOADED
        self._records[entry.transaction_id] = DecisionRecord(entry.fingerprint, entry.decision, entry.transaction)
        self.events.append(entry.event)
        return CommitOutcome.RECORDED

    def _result(self, entry: NewDecision | Undecided, outcome: CommitOutcome, reply: Reply) -> dict[str, Any]:
        if isinstance(entry, Undecided):
            undecided: dict[str, Any] = orjson.loads(entry.json())
            return undecided
        if outcome is CommitOutcome.OVERLOADED:
            return {"status": ResultStatus.OVERLOADED.value}
        if outcome is CommitOutcome.CONFLICT:
            return {"status": ResultStatus.CONFLICT.value}
        decision = self._records[entry.transaction_id].decision
        return {"status": ResultStatus.SCORED.value, "decision": decision, "timings": reply.timings}

    def find(self, transaction_id: str) -> DecisionRecord | None:
        """See `DecisionStore.find`."""
        return self._records.get(transaction_id)

    def find_many(self, transaction_ids: Sequence[str]) -> list[DecisionRecord | None]:
        """See `DecisionStore.find_many`."""
        return [self._records.get(transaction_id) for transaction_id in transaction_ids]
