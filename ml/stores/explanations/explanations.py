"""Explanations: the stored record of every decision, found by id or searched for an audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from ml.domain.decision import Outcome
from ml.domain.errors import MlError
from ml.stores.refused import Refused


class InvalidCursorError(MlError):
    """The cursor was not given out by this search."""


@dataclass(frozen=True, slots=True)
class ExplanationQuery:
    """Criteria of an audit search; None leaves one out. `start` is inclusive, `end` exclusive, by `scored_at`."""

    customer_id: str | None = None
    decision: Outcome | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExplanationPage:
    """One page, newest first; `next_cursor` is None on the last page."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None


class ExplanationReader(Protocol):
    """Reads explanations for people; every method may raise StoreUnavailableError."""

    def find(self, transaction_id: str) -> dict[str, Any] | None:
        """Returns the record of a transaction, or None."""
        ...

    def search(self, query: ExplanationQuery, *, cursor: str | None = None, limit: int = 50) -> ExplanationPage:
        """Returns a page of matching records.

        Raises:
            InvalidCursorError: the cursor is malformed.
        """
        ...


class ExplanationStore(ExplanationReader, Protocol):
    """Where explanations are kept for audit; every method may raise StoreUnavailableError."""

    def save(self, records: Sequence[dict[str, Any]]) -> dict[str, Refused]:
        """Writes records durably, replacing those of the same id; returns by id those that it did not take.

        A record without an explanation, as a repair writes it, replaces none: the full one may have come meanwhile.
        """
        ...

    def find_many(self, transaction_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Returns the records of those of the transactions that are stored, by id, in one round trip."""
        ...

    def existing(self, transaction_ids: Sequence[str]) -> set[str]:
        """Returns those of the ids that are stored."""
        ...
