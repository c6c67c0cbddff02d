"""Replays a test week through the running platform: real requests, queue, workers and stores.

The platform's scores must equal the same model's scores of the offline features: the replay also proves that the two
executors of the features agree. Scores differ in their seventh decimal, because onnxruntime rounds a row by the number
of rows beside it; given the messages' own rows, the graph returns the answered scores to the last bit.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, TransactionTable
from ml.domain.label import Label
from ml.serving.backfill import count_entities, entity_states
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.training.trained_model import TrainedModel
from ops.proving.bench.quality.protocol.fold import Fold, test_rows
from ops.proving.bench.quality.served.platform import ReplayError, ServedPlatform, served_platform
from ops.proving.bench.quality.served.sender import Sender
from ops.proving.bench.quality.served.slices import Slice, cut
from tasks.wiring.clients_mongo import connect_mongo
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store

_LOADED_AT_ONCE = 2_000
_CHECKED_AT_ONCE = 1_000

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """A replayed week.

    Attributes:
        scores: [N] in the order of the fold's test rows.
        labels: how many were posted.
        retried: how many transactions and labels were sent again because the platform was busy.
        sending_seconds: from the first label or transaction to the last answer.
        total_seconds: with start, backfill, delivery and the end of the platform.
    """

    scores: NDArray[np.float64]
    labels: int
    retried: int
    sending_seconds: float
    total_seconds: float


def served_scores(
    table: TransactionTable, *, fold: Fold, trained: TrainedModel, progress: Progress
) -> NDArray[np.float64]:
    """Returns the scores [N] that the platform answers for the fold's test rows, in the table's order; see `replay`."""
    return replay(table, fold=fold, trained=trained, progress=progress).scores


def replay(
    table: TransactionTable,
    *,
    fold: Fold,
    trained: TrainedModel,
    progress: Progress,
    rows_per_request: int = 1_000,
) -> Replay:
    """Starts a platform that serves the model and knows what was known before the test week, and sends it the week.

    Args:
        table: transactions that arrived at their event time; each label is posted when it became known.
        fold: whose test week.
        trained: the model.
        progress: called with the step and its finished share.
        rows_per_request: transactions in one batch request, at most 1,000; 1 sends each by itself.

    Raises:
        ReplayError: there is nothing to replay, or an answer is missing, wrong or was not stored.
        ml.domain.errors.MlError, ops.errors.OpsError: the platform did not start or stopped working.
    """
    rows = test_rows(table, fold)
    if not len(rows):
        raise ReplayError(f"There are no transactions in the test week {fold.test_week}.")
    started = time.monotonic()
    with served_platform(
        trained, on_ready=lambda ready, awaited: progress("start", len(ready) / (len(ready) + len(awaited)))
    ) as platform:
        _backfill(platform, table, fold.test_start, progress)
        sending = time.monotonic()
        with Sender(platform, rows_per_request=rows_per_request) as sender:
            scores, labels = np.empty(0), 0
            for part in cut(table, rows, known_since=fold.test_start):
                sender.label(list(_labels(table, part, scored_from=int(rows[0]))))
                labels += len(part.labels)
                for some in _parts(part.transactions, rows_per_request):
                    answered = sender.score(list(table.select(some).to_transactions()))
                    scores = np.concatenate([scores, answered])
                    progress("replay", len(scores) / len(rows))
        sending_seconds = time.monotonic() - sending
        _check_delivery(platform, table, rows, progress)
    return Replay(scores, labels, sender.retried, sending_seconds, time.monotonic() - started)


def _backfill(platform: ServedPlatform, table: TransactionTable, moment: int, progress: Progress) -> None:
    """Loads the features' state at a moment, as `python -m ops backfill --until` does."""
    store, total = feature_store(Connections(platform.settings)), count_entities(table, moment)
    states, loaded = entity_states(table, moment), 0
    while part := list(islice(states, _LOADED_AT_ONCE)):
        loaded += store.load(part)
        progress("backfill", loaded / total)


def _labels(table: TransactionTable, part: Slice, *, scored_from: int) -> Iterator[Label]:
    """Yields a slice's labels; those of backfilled transactions say whose they are, as no record of them exists."""
    for row in part.labels.tolist():
        is_scored = row >= scored_from
        yield Label(
            transaction_id=str(table.transaction_id[row]),
            label="fraud" if table.is_fraud[row] == FRAUD else "legitimate",
            source="replay",
            labelled_at=float(table.label_known_at[row]),
            customer_id=None if is_scored else table.customer_id.text(row),
            terminal_id=None if is_scored else table.terminal_id.text(row),
        )


def _check_delivery(
    platform: ServedPlatform, table: TransactionTable, rows: NDArray[np.intp], progress: Progress
) -> None:
    """Checks that everything that was answered has been published and can be read back from MongoDB."""
    for group in ("explain", "publish"):
        platform.wait_until_drained(group)
    stored = 0
    with connect_mongo(platform.settings).client as client:
        store = MongoExplanationStore(client[platform.settings.mongo_database]["explanations"])
        for part in _parts(rows, _CHECKED_AT_ONCE):
            stored += len(store.existing([str(name) for name in table.transaction_id[part]]))
            progress("delivery", stored / len(rows))
    if stored != len(rows):
        raise ReplayError(f"{len(rows):,} transactions were answered, {stored:,} explanations are stored.")


def _parts(rows: NDArray[np.intp], length: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(rows), length):
        yield rows[start : start + length]
