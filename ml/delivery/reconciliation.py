"""Reconciliation: answered transactions that a sink has not acknowledged, found again and repaired."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from ml.stores.decisions.decisions import DecisionReader, DecisionRecord
from ml.stores.outbox.awaiting import AwaitingIndex

REPAIRED_CORRELATION_ID = "reconciliation"
"""Correlation id of a repaired event, whose own is no longer known."""


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """The result of one run for one sink.

    Attributes:
        sink: `explain` or `publish`.
        overdue: answered longer ago than the grace and not acknowledged.
        held: still in the stream or the dead letters: their drain is late, or they were given up.
        acknowledged: the sink has them, only the acknowledgement was missing.
        repaired: put back into the stream from the decision record.
        lost: neither in the stream nor recorded any more; nothing can be repaired.
        shard: whose outbox it was; None where scoring is not sharded.
    """

    sink: str
    overdue: int
    held: int
    acknowledged: int
    repaired: int
    lost: int
    shard: str | None = None


def reconcile(
    sink: str,
    index: AwaitingIndex,
    decisions: DecisionReader,
    *,
    present: Callable[[Sequence[str]], set[str]],
    before_ms: int,
    count: int = 10_000,
    shard: str | None = None,
) -> ReconciliationReport:
    """Compares and repairs for one sink.

    Args:
        sink: its name.
        index: the transactions that it has not acknowledged.
        decisions: the records that repairs are made from.
        present: returns those of the ids that the sink holds; a sink that cannot be asked returns none of them
            and gets the event once more.
        before_ms: only transactions answered before this moment, epoch milliseconds, are checked.
        count: most transactions per run.
        shard: whose outbox it is, for the report.
    """
    overdue = index.overdue(before_ms=before_ms, count=count)
    held = index.held(overdue) if overdue else set()
    missing = [item for item in overdue if item.transaction_id not in held]
    stored = present([item.transaction_id for item in missing]) if missing else set()
    index.acknowledge(sorted(stored))
    owed = [item for item in missing if item.transaction_id not in stored]
    records = decisions.find_many([item.transaction_id for item in owed]) if owed else []
    repaired, lost = 0, []
    for item, record in zip(owed, records, strict=True):
        if record is None:
            lost.append(item.transaction_id)
        else:
            # Refused if the drain acknowledged it after the list was read; then the stream need not hold it.
            repaired += index.repair(item.transaction_id, repaired_event(record), awaited_since_ms=item.since_ms)
    index.acknowledge(lost)
    return ReconciliationReport(
        sink=sink,
        overdue=len(overdue),
        held=len(held),
        acknowledged=len(missing) - repaired - len(lost),
        repaired=repaired,
        lost=len(lost),
        shard=shard,
    )


def repaired_event(record: DecisionRecord) -> bytes:
    """Returns the outbox event that a decision record still allows: without the feature vector."""
    return orjson.dumps(
        {
            "transaction": record.transaction,
            "decision": record.decision,
            "fingerprint": record.fingerprint,
            "correlation_id": REPAIRED_CORRELATION_ID,
            "model": {"version": record.decision["model_version"], "hash": None},
        }
    )
