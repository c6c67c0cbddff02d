"""Labels: accepted into a stream at once, stored and applied to the features from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ml.domain.durations import DAY_SECONDS
from ml.domain.label import Label

_FUTURE_SECONDS = 2 * DAY_SECONDS
"""No label is accepted from the future; one that an earlier version took may be from any. Clocks may be a day off."""


class LabelInbox(Protocol):
    """The stream that labels are accepted into."""

    def accept(self, labels: Sequence[tuple[Label, str]]) -> bool:
        """Appends labels, each with its correlation id; returns whether a doorbell must be sent to the labels drain.

        Raises:
            StoreUnavailableError: nothing is promised; the client must send them again.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordedLabel:
    """What is known of a transaction's outcome: the same whatever the order in which its labels came, and how often.

    Attributes:
        label: the label of record: the latest by `labelled_at`; of two of one moment the one that says fraud.
        first_fraud_at: when the transaction was first called fraud, epoch seconds; None if it never was.
        first_legitimate_at: likewise legitimate.
    """

    label: Label
    first_fraud_at: int | None = None
    first_legitimate_at: int | None = None

    @classmethod
    def of(cls, label: Label) -> "RecordedLabel":
        """Returns what is known when this is the only label."""
        if label.is_fraud:
            return cls(label, first_fraud_at=label.known_at)
        return cls(label, first_legitimate_at=label.known_at)

    @property
    def known_at(self) -> int:
        """Since when the outcome of record is known: the first label that said so."""
        first = self.first_fraud_at if self.label.is_fraud else self.first_legitimate_at
        return self.label.known_at if first is None else min(first, self.label.known_at)

    def merged(self, label: Label, *, now: float) -> "RecordedLabel":
        """Returns what is known with one more label.

        Args:
            label: the label.
            now: epoch seconds; a label of record from far beyond gives way to one that is not, whichever came first.
        """
        new = RecordedLabel.of(label)
        latest = max(self.label, label, key=lambda each: _precedence(each, now))
        return RecordedLabel(
            latest,
            first_fraud_at=_earliest(self.first_fraud_at, new.first_fraud_at),
            first_legitimate_at=_earliest(self.first_legitimate_at, new.first_legitimate_at),
        )


def _precedence(label: Label, now: float) -> tuple[Any, ...]:
    is_possible = label.labelled_at <= now + _FUTURE_SECONDS
    places = (label.customer_id or "", label.terminal_id or "")
    return (is_possible, label.labelled_at, label.is_fraud, *places, label.source)


def _earliest(*moments: int | None) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


class LabelStore(Protocol):
    """The labels of record, read by retraining."""

    def save(self, labels: Sequence[Label]) -> list[RecordedLabel]:
        """Stores labels and returns what is known of each of their transactions now, in the order they first came.

        Neither the order of labels nor their repetition changes what is known in the end, also if several processes
        save at the same time.

        Raises:
            StoreUnavailableError: the store cannot be reached.
        """
        ...

    def find_many(self, transaction_ids: Sequence[str]) -> dict[str, RecordedLabel]:
        """Returns what is known of transactions, by id; one without a label is left out.

        Raises:
            StoreUnavailableError: the store cannot be reached.
        """
        ...
