"""Explanations in memory, for tests and tools of one process."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ml.stores.explanations.explanation_cursor import decode_cursor, encode_cursor
from ml.stores.explanations.explanations import ExplanationPage, ExplanationQuery
from ml.stores.refused import Refused


class MemoryExplanationStore:
    """Keeps records in a dictionary."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Any]] = {}

    def save(self, records: Sequence[dict[str, Any]]) -> dict[str, Refused]:
        """See `ExplanationStore.save`."""
        for record in records:
            if record.get("explanation") is None:
                self._records.setdefault(record["transaction_id"], record)
            else:
                self._records[record["transaction_id"]] = record
        return {}

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        """See `ExplanationStore.find`."""
        return self._records.get(transaction_id)

    def find_many(self, transaction_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """See `ExplanationStore.find_many`."""
        return {name: self._records[name] for name in transaction_ids if name in self._records}

    def search(self, query: ExplanationQuery, *, cursor: str | None = None, limit: int = 50) -> ExplanationPage:
        """See `ExplanationStore.search`."""
        found = sorted(
            (record for record in self._records.values() if _matches(query, record)),
            key=lambda record: (record["scored_at"], record["transaction_id"]),
            reverse=True,
        )
        if cursor is not None:
            last = decode_cursor(cursor)
            found = [record for record in found if (record["scored_at"], record["transaction_id"]) < last]
        items = tuple(found[:limit])
        more = len(found) > limit
        return ExplanationPage(
            items, encode_cursor(items[-1]["scored_at"], items[-1]["transaction_id"]) if more else None
        )

    def existing(self, transaction_ids: Sequence[str]) -> set[str]:
        """See `ExplanationStore.existing`."""
        return set(transaction_ids) & set(self._records)


def _matches(query: ExplanationQuery, record: dict[str, Any]) -> bool:
    scored_at = datetime.fromisoformat(record["scored_at"])
    return (
        (query.customer_id is None or record["customer_id"] == query.customer_id)
        and (query.decision is None or record["decision"] == query.decision)
        and (query.start is None or scored_at >= query.start)
        and (query.end is None or scored_at < query.end)
    )
