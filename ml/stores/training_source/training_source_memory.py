"""The stored past in memory, for tests: built from the same documents that MongoDB holds."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ml.domain.label import Label
from ml.domain.transaction import Transaction
from ml.stores.training_source.training_source import ScoredVectors, StoredTransaction, named_values


class MemoryTrainingSource:
    """Holds explanation records, each with its `transaction`, and labels.

    Args:
        records: explanation records as `ml.delivery.sinks.explanation_record` makes them.
        labels: confirmed outcomes.
    """

    def __init__(self, records: Sequence[dict[str, Any]] = (), labels: Sequence[Label] = ()) -> None:
        self._records = sorted(records, key=lambda record: (record["scored_at"], record["transaction_id"]))
        self._labels = {label.transaction_id: label for label in labels}

    def latest_event(self) -> int | None:
        """See `TrainingSource.latest_event`."""
        return max((int(record["transaction"]["timestamp"]) for record in self._records), default=None)

    def transactions(self, since_seconds: int) -> Iterator[StoredTransaction]:
        """See `TrainingSource.transactions`."""
        for record in self._records:
            transaction = Transaction.model_validate(record["transaction"])
            if transaction.timestamp < since_seconds:
                continue
            label = self._labels.get(transaction.transaction_id)
            yield StoredTransaction(
                transaction,
                arrived_at=int(datetime.fromisoformat(record["scored_at"]).timestamp()),
                is_fraud=None if label is None else label.is_fraud,
                known_at=None if label is None else label.known_at,
            )

    def recent_vectors(self, model_version: str, names: tuple[str, ...], *, limit: int) -> ScoredVectors:
        """See `TrainingSource.recent_vectors`."""
        rows = [record for record in reversed(self._records) if record["model_version"] == model_version][:limit]
        pairs = [
            (vector, row["score"])
            for row in rows
            if (vector := named_values((row["explanation"] or {}).get("vector"), names)) is not None
        ]
        return ScoredVectors(
            names,
            np.array([vector for vector, _ in pairs], np.float64).reshape(len(pairs), len(names)),
            np.array([score for _, score in pairs], np.float64),
        )
