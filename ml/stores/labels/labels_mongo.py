"""Labels in MongoDB: collection `labels`, `_id` = transaction id, plus what training reads.

`is_fraud` and `known_at` are the outcome of record and since when it is known; `first_fraud_at` and
`first_legitimate_at` when each outcome was first reported; `revision` counts the changes, so that of two processes that
change a document at the same time one finds out and looks again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from ml.domain.errors import StoreUnavailableError
from ml.domain.label import Label
from ml.stores.failures_mongo import mongo_failures_as_unavailable, raise_if_unavailable
from ml.stores.labels.labels import RecordedLabel

_MOST_ROUNDS = 20
_DUPLICATE_KEY = 11_000

_Document = dict[str, Any]


class MongoLabelStore:
    """Stores what is known of each transaction in one document.

    Args:
        collection: the labels.
        clock: epoch seconds.
    """

    def __init__(self, collection: Collection[_Document], clock: Callable[[], float] = time.time) -> None:
        self._labels = collection
        self._clock = clock

    def save(self, labels: Sequence[Label]) -> list[RecordedLabel]:
        """See `LabelStore.save`."""
        ids = list(dict.fromkeys(label.transaction_id for label in labels))
        for _ in range(_MOST_ROUNDS):
            stored = self._read(ids)
            merged = self._merged(stored, labels)
            changed = [name for name in ids if name not in stored or _recorded(stored[name]) != merged[name]]
            if not changed:
                return [merged[name] for name in ids]
            self._write([_replacement(stored.get(name), merged[name]) for name in changed])
        raise StoreUnavailableError("others change the same labels all the time")

    def find_many(self, transaction_ids: Sequence[str]) -> dict[str, RecordedLabel]:
        """See `LabelStore.find_many`."""
        return {name: _recorded(document) for name, document in self._read(transaction_ids).items()}

    def _read(self, transaction_ids: Sequence[str]) -> dict[str, _Document]:
        if not transaction_ids:
            return {}
        with mongo_failures_as_unavailable():
            return {
                document["_id"]: document for document in self._labels.find({"_id": {"$in": list(transaction_ids)}})
            }

    def _merged(self, stored: Mapping[str, _Document], labels: Sequence[Label]) -> dict[str, RecordedLabel]:
        merged = {name: _recorded(document) for name, document in stored.items()}
        for label in labels:
            known = merged.get(label.transaction_id)
            merged[label.transaction_id] = (
                RecordedLabel.of(label) if known is None else known.merged(label, now=self._clock())
            )
        return merged

    def _write(self, updates: Sequence[ReplaceOne[_Document]]) -> None:
        """Writes; a document that somebody else has changed or made meanwhile is left for the next round."""
        try:
            with mongo_failures_as_unavailable():
                self._labels.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            raise_if_unavailable(error, len(updates))
            if any(failure.get("code") != _DUPLICATE_KEY for failure in (error.details or {}).get("writeErrors", [])):
                raise


def _replacement(before: _Document | None, recorded: RecordedLabel) -> ReplaceOne[_Document]:
    fields = recorded.label.wire()
    transaction_id = fields.pop("transaction_id")
    revision = 0 if before is None else int(before.get("revision", 0))
    document = {
        "_id": transaction_id,
        **fields,
        "is_fraud": recorded.label.is_fraud,
        "known_at": recorded.known_at,
        "first_fraud_at": recorded.first_fraud_at,
        "first_legitimate_at": recorded.first_legitimate_at,
        "revision": revision + 1,
    }
    # A document of an earlier version has no revision. A new one is inserted, or is a duplicate if somebody was faster.
    unchanged = revision if before is not None and "revision" in before else {"$exists": False}
    return ReplaceOne({"_id": transaction_id, "revision": unchanged}, document, upsert=before is None)


def _recorded(document: _Document) -> RecordedLabel:
    label = Label(
        transaction_id=document["_id"],
        label=document["label"],
        source=document["source"],
        labelled_at=document["labelled_at"],
        customer_id=document.get("customer_id"),
        terminal_id=document.get("terminal_id"),
    )
    alone = RecordedLabel.of(label)
    return RecordedLabel(
        label,
        first_fraud_at=document.get("first_fraud_at", alone.first_fraud_at),
        first_legitimate_at=document.get("first_legitimate_at", alone.first_legitimate_at),
    )
