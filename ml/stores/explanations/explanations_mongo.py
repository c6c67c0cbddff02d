"""Explanations in MongoDB: collection `explanations`, `_id` = transaction id, `scored_at` as a date.

Indexes: (customer_id, scored_at, transaction_id), (decision, scored_at, transaction_id), (scored_at,
transaction_id), all newest first. The id is kept twice because not every server indexes `_id` with other fields.
Durable by the client's write concern: w=majority, j=true. A standalone MongoDB 8.0 may still lose such a write when it
is killed; production runs a replica set.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bson.errors import InvalidDocument
from pymongo import DESCENDING, IndexModel, ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DocumentTooLarge

from ml.stores.explanations.explanation_cursor import decode_cursor, encode_cursor
from ml.stores.explanations.explanations import ExplanationPage, ExplanationQuery
from ml.stores.failures_mongo import mongo_failures_as_unavailable, raise_if_unavailable
from ml.stores.refused import Refused

_ORDER = [("scored_at", DESCENDING), ("transaction_id", DESCENDING)]


class MongoExplanationStore:
    """Stores explanations with unordered bulk upserts."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self._explanations = collection

    def create_indexes(self) -> None:
        """Creates the indexes of the search; existing ones stay."""
        with mongo_failures_as_unavailable():
            self._explanations.create_indexes(
                [IndexModel([*prefix, *_ORDER]) for prefix in ([("customer_id", 1)], [("decision", 1)], [])]
            )

    def save(self, records: Sequence[dict[str, Any]]) -> dict[str, Refused]:
        """See `ExplanationStore.save`."""
        if not records:  # MongoDB takes no bulk without a write
            return {}
        writes = [_write(record) for record in records]
        try:
            with mongo_failures_as_unavailable():
                self._explanations.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            return self._refusals(error, records)
        except (DocumentTooLarge, InvalidDocument, OverflowError) as error:
            if len(records) == 1:
                return {records[0]["transaction_id"]: Refused(str(error), is_certain=True)}
            return {key: refused for record in records for key, refused in self.save([record]).items()}
        return {}

    def _refusals(self, error: BulkWriteError, records: Sequence[dict[str, Any]]) -> dict[str, Refused]:
        raise_if_unavailable(error, len(records))
        return {
            records[failure["index"]]["transaction_id"]: Refused(str(failure.get("errmsg", "refused")))
            for failure in (error.details or {}).get("writeErrors", [])
        }

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        """See `ExplanationStore.find`."""
        with mongo_failures_as_unavailable():
            document = self._explanations.find_one({"_id": transaction_id})
        return None if document is None else _record(document)

    def find_many(self, transaction_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """See `ExplanationStore.find_many`."""
        with mongo_failures_as_unavailable():
            documents = list(self._explanations.find({"_id": {"$in": list(transaction_ids)}}))
        return {document["_id"]: _record(document) for document in documents}

    def search(self, query: ExplanationQuery, *, cursor: str | None = None, limit: int = 50) -> ExplanationPage:
        """See `ExplanationStore.search`."""
        criteria = _criteria(query)
        if cursor is not None:
            scored_at, transaction_id = decode_cursor(cursor)
            moment = datetime.fromisoformat(scored_at)
            after = {
                "scored_at": {"$lte": moment},  # says it once more, so that the index is entered here
                "$or": [
                    {"scored_at": {"$lt": moment}},
                    {"scored_at": moment, "transaction_id": {"$lt": transaction_id}},
                ],
            }
            criteria = {"$and": [criteria, after]} if criteria else after
        with mongo_failures_as_unavailable():
            found = list(self._explanations.find(criteria).sort(_ORDER).limit(limit + 1))
        items = tuple(_record(document) for document in found[:limit])
        more = len(found) > limit
        last = items[-1] if more else None
        return ExplanationPage(
            items, encode_cursor(last["scored_at"], last["transaction_id"]) if last is not None else None
        )

    def existing(self, transaction_ids: Sequence[str]) -> set[str]:
        """See `ExplanationStore.existing`."""
        with mongo_failures_as_unavailable():
            return {
                item["_id"] for item in self._explanations.find({"_id": {"$in": list(transaction_ids)}}, {"_id": 1})
            }


def _criteria(query: ExplanationQuery) -> dict[str, Any]:
    criteria: dict[str, Any] = {}
    if query.customer_id is not None:
        criteria["customer_id"] = query.customer_id
    if query.decision is not None:
        criteria["decision"] = query.decision.value
    bounds = {"$gte": query.start, "$lt": query.end}
    if present := {operator: moment for operator, moment in bounds.items() if moment is not None}:
        criteria["scored_at"] = present
    return criteria


def _write(record: dict[str, Any]) -> "ReplaceOne[dict[str, Any]] | UpdateOne":
    document, target = _document(record), {"_id": record["transaction_id"]}
    if record.get("explanation") is None:
        return UpdateOne(
            target, {"$setOnInsert": {name: document[name] for name in document if name != "_id"}}, upsert=True
        )
    return ReplaceOne(target, document, upsert=True)


def _document(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"_id": record["transaction_id"], "scored_at": datetime.fromisoformat(record["scored_at"])}


def _record(document: dict[str, Any]) -> dict[str, Any]:
    text = document["scored_at"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {key: value for key, value in document.items() if key != "_id"} | {"scored_at": text}
