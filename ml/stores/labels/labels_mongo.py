"""Labels in MongoDB: collection `labels`, `_id` = transaction id, plus `is_fraud` and `known_at` for training."""

from collections.abc import Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from ml.domain.label import Label
from ml.stores.failures_mongo import mongo_failures_as_unavailable, raise_if_unavailable


class MongoLabelStore:
    """Stores one label per transaction."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self._labels = collection

    def save(self, labels: Sequence[Label]) -> list[Label]:
        """See `LabelStore.save`."""
        latest = {label.transaction_id: label for label in sorted(labels, key=lambda label: label.labelled_at)}
        with mongo_failures_as_unavailable():
            known = {
                document["_id"]: document["labelled_at"]
                for document in self._labels.find({"_id": {"$in": list(latest)}}, {"labelled_at": 1})
            }
            of_record = [
                label for label in latest.values() if label.labelled_at >= known.get(label.transaction_id, 0.0)
            ]
            updates = [ReplaceOne({"_id": label.transaction_id}, _document(label), upsert=True) for label in of_record]
            if updates:
                self._write(updates)
        return of_record

    def _write(self, updates: Sequence[ReplaceOne[dict[str, Any]]]) -> None:
        try:
            self._labels.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            raise_if_unavailable(error, len(updates))
            raise

    def find(self, transaction_id: str) -> Label | None:
        """See `LabelStore.find`."""
        with mongo_failures_as_unavailable():
            document = self._labels.find_one({"_id": transaction_id})
        if document is None:
            return None
        return Label(
            transaction_id=transaction_id,
            label=document["label"],
            source=document["source"],
            labelled_at=document["labelled_at"],
            customer_id=document.get("customer_id"),
            terminal_id=document.get("terminal_id"),
        )


def _document(label: Label) -> dict[str, Any]:
    fields = label.wire()
    transaction_id = fields.pop("transaction_id")
    return {"_id": transaction_id, **fields, "is_fraud": label.is_fraud, "known_at": label.known_at}
