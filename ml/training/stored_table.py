"""The table a retraining learns from: a history file, and what the platform has scored since.

A stored transaction without a confirmed outcome counts as legitimate once the label delay has passed: fraud is
reported, the rest is not. Such a presumed label is learnt from, but the features of later transactions do not see it,
as they did not while scoring.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import numpy as np

from ml.data.table import FRAUD, LEGITIMATE, NEVER, TransactionTable
from ml.stores.training_source.training_source import StoredTransaction, TrainingSource

_CHUNK_ROWS = 50_000


def gather(
    source: TrainingSource, history: TransactionTable | None, *, span_seconds: int, label_delay_seconds: int
) -> TransactionTable | None:
    """Returns the transactions of the last `span_seconds` before the latest one; None if there is none at all.

    A transaction that both hold is taken from the store, which knows when it arrived. Labels that became known
    after the latest transaction are not known yet.

    Args:
        source: what the platform stored.
        history: transactions from before that, if any.
        span_seconds: how far back the table reaches.
        label_delay_seconds: when a stored transaction without an outcome counts as legitimate.

    Raises:
        StoreUnavailableError: the store cannot be read.
    """
    latest_history = None if history is None or not len(history) else int(history.epoch_seconds[-1])
    latest = max((moment for moment in (latest_history, source.latest_event()) if moment is not None), default=None)
    if latest is None:
        return None
    since = latest + 1 - span_seconds
    stored = _stored_table(source.transactions(since), label_delay_seconds=label_delay_seconds)
    tables = [table for table in (_without(history, stored, since), stored) if table is not None]
    return _known_by(TransactionTable.concat(tables), latest)


def _stored_table(stored: Iterable[StoredTransaction], *, label_delay_seconds: int) -> TransactionTable | None:
    rows = iter(stored)
    tables = []
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        labels = [_label(item, label_delay_seconds) for item in chunk]
        tables.append(
            TransactionTable.from_transactions(
                [item.transaction for item in chunk],
                is_fraud=[is_fraud for is_fraud, _, _ in labels],
                label_known_at=[known_at for _, known_at, _ in labels],
                is_presumed=[is_presumed for _, _, is_presumed in labels],
                arrived_at=[item.arrived_at for item in chunk],
            )
        )
    return TransactionTable.concat(tables) if tables else None


def _label(item: StoredTransaction, label_delay_seconds: int) -> tuple[int, int, bool]:
    """Returns the label, when it became known, and whether it is only presumed."""
    if item.is_fraud is None or item.known_at is None:
        return LEGITIMATE, item.transaction.epoch_seconds + label_delay_seconds, True
    return (FRAUD if item.is_fraud else LEGITIMATE), item.known_at, False


def _without(history: TransactionTable | None, stored: TransactionTable | None, since: int) -> TransactionTable | None:
    """Returns the history from `since` on, less what is stored too."""
    if history is None or not len(history) or history.epoch_seconds[-1] < since:
        return None
    recent = history.between(since, NEVER)
    if stored is None:
        return recent
    ids = set(stored.transaction_id.tolist())
    # Only the time that both cover can hold the same transaction.
    candidates = np.flatnonzero(recent.epoch_seconds >= stored.epoch_seconds[0])
    repeated = [row for row in candidates.tolist() if str(recent.transaction_id[row]) in ids]
    keep = np.ones(len(recent), bool)
    keep[repeated] = False
    return recent.select(keep)


def _known_by(table: TransactionTable, moment: int) -> TransactionTable:
    """Returns the table with the labels of later forgotten."""
    known = table.label_known_at <= moment
    return replace(
        table,
        is_fraud=table.fraud_known_at(moment),
        label_known_at=np.where(known, table.label_known_at, NEVER),
    )
