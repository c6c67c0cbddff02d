"""The stored past in MongoDB: collections `explanations` and `labels`, as their own stores write them.

Reading by event time walks all of `explanations`: a transaction may arrive with any event time, so the index on
the time of scoring gives the order and cannot narrow the range. Retraining does it once a run.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np
from pydantic import ValidationError
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from ml.domain.transaction import Transaction
from ml.stores.failures_mongo import mongo_failures_as_unavailable
from ml.stores.training_source.training_source import ScoredVectors, StoredTransaction, named_values

_BATCH_ROWS = 2_000

_log = logging.getLogger(__name__)


class MongoTrainingSource:
    """Reads the collections that the explain and labels workers write.

    Sorted as an index of the explanations is, see `explanations_mongo`: in memory a server sorts 100 MB at most.
    """

    def __init__(self, explanations: Collection[dict[str, Any]], labels: Collection[dict[str, Any]]) -> None:
        self._explanations = explanations
        self._labels = labels

    def latest_event(self) -> int | None:
        """See `TrainingSource.latest_event`."""
        with mongo_failures_as_unavailable():
            latest = list(
                self._explanations.aggregate(
                    [
                        {"$match": {"transaction.timestamp": {"$gte": 0}}},
                        {"$group": {"_id": None, "seconds": {"$max": "$transaction.timestamp"}}},
                    ]
                )
            )
        return int(latest[0]["seconds"]) if latest else None

    def transactions(self, since_seconds: int) -> Iterator[StoredTransaction]:
        """See `TrainingSource.transactions`; a document that holds no transaction is logged and left out."""
        with mongo_failures_as_unavailable():
            found = self._explanations.find(
                {"transaction.timestamp": {"$gte": since_seconds}},
                {"transaction": 1, "scored_at": 1},
                batch_size=_BATCH_ROWS,
            ).sort([("scored_at", ASCENDING), ("transaction_id", ASCENDING)])
            while documents := list(islice(found, _BATCH_ROWS)):
                yield from self._labelled(documents)

    def recent_vectors(self, model_version: str, names: tuple[str, ...], *, limit: int) -> ScoredVectors:
        """See `TrainingSource.recent_vectors`."""
        with mongo_failures_as_unavailable():
            documents = list(
                self._explanations.aggregate(
                    [
                        {"$match": {"model_version": model_version}},
                        {"$sort": {"scored_at": DESCENDING, "transaction_id": DESCENDING}},
                        {"$limit": limit},
                        {"$project": {"score": 1, "vector": "$explanation.vector"}},
                    ]
                )
            )
        rows = [
            (vector, float(document["score"]))
            for document in documents
            if (vector := named_values(document.get("vector"), names)) is not None
        ]
        return ScoredVectors(
            names,
            np.array([vector for vector, _ in rows], np.float64).reshape(len(rows), len(names)),
            np.array([score for _, score in rows], np.float64),
        )

    def _labelled(self, documents: Sequence[dict[str, Any]]) -> Iterator[StoredTransaction]:
        ids = [document["_id"] for document in documents]
        labels = {
            label["_id"]: label for label in self._labels.find({"_id": {"$in": ids}}, {"is_fraud": 1, "known_at": 1})
        }
        for document in documents:
            try:
                transaction = Transaction.model_validate(document["transaction"])
            except ValidationError:
                _log.warning("a stored transaction is malformed", extra={"transaction_id": str(document["_id"])})
                continue
            label = labels.get(document["_id"], {})
            yield StoredTransaction(
                transaction,
                arrived_at=_epoch_seconds(document["scored_at"]),
                is_fraud=label.get("is_fraud"),
                known_at=label.get("known_at"),
            )


def _epoch_seconds(moment: datetime) -> int:
    # The driver returns naive UTC unless the client is configured otherwise.
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())
