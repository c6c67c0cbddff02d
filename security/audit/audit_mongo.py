"""The audit in MongoDB: collection `audit`, `_id` = the event's own hash; documents are inserted and never replaced.

Index: (at), newest first.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import DESCENDING, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from security.audit.audit import AuditEvent, AuditUnavailableError


class MongoAuditLog:
    """Keeps events for ever; the collection's write concern makes them durable."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self._events = collection

    def create_indexes(self) -> None:
        """Creates the index of `latest`; an existing one stays."""
        with _failures_as_unavailable():
            self._events.create_index([("at", DESCENDING)])

    def record(self, events: Sequence[AuditEvent]) -> None:
        """See `AuditLog.record`."""
        if not events:
            return
        inserts = [
            UpdateOne({"_id": event.event_id}, {"$setOnInsert": _document(event)}, upsert=True) for event in events
        ]
        with _failures_as_unavailable():
            self._events.bulk_write(inserts, ordered=False)

    def latest(self, limit: int) -> list[AuditEvent]:
        """See `AuditLog.latest`."""
        if limit < 1:
            return []
        with _failures_as_unavailable():
            found = list(self._events.find({}).sort("at", DESCENDING).limit(limit))
        return [_event(document) for document in found]

    def since(self, at: str, action: str) -> list[AuditEvent]:
        """See `AuditLog.since`."""
        with _failures_as_unavailable():
            found = list(self._events.find({"at": {"$gte": at}, "action": action}).sort("at", DESCENDING))
        return [_event(document) for document in found]


def _event(document: Mapping[str, Any]) -> AuditEvent:
    """Returns a stored event; what a stranger's document lacks or has in another form is empty, and hides no other."""
    action, by, at, reason = (str(document.get(name) or "") for name in ("action", "by", "at", "reason"))
    details = document.get("details")
    found = {name: str(value) for name, value in details.items()} if isinstance(details, Mapping) else {}
    return AuditEvent(action, by, at, reason, found)


def _document(event: AuditEvent) -> dict[str, Any]:
    return {
        "action": event.action,
        "by": event.by,
        "at": event.at,
        "reason": event.reason,
        "details": dict(event.details),
    }


@contextmanager
def _failures_as_unavailable() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise AuditUnavailableError("MongoDB does not answer for the audit") from error
