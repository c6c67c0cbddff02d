"""Labels: accepted into a stream at once, stored and applied to the features from there."""

from collections.abc import Sequence
from typing import Protocol

from ml.domain.label import Label


class LabelInbox(Protocol):
    """The stream that labels are accepted into."""

    def accept(self, labels: Sequence[tuple[Label, str]]) -> bool:
        """Appends labels, each with its correlation id; returns whether a doorbell must be sent to the labels drain.

        Raises:
            StoreUnavailableError: nothing is promised; the client must send them again.
        """
        ...


class LabelStore(Protocol):
    """The labels of record, read by retraining."""

    def save(self, labels: Sequence[Label]) -> list[Label]:
        """Stores labels; of two labels of one transaction the one with the later `labelled_at` stays.

        Returns those of the labels that are of record now, one per transaction: an older one than what was known, sent
        late or again, is not among them.

        Raises:
            StoreUnavailableError: the store cannot be reached.
        """
        ...

    def find(self, transaction_id: str) -> Label | None:
        """Returns the label of a transaction, or None."""
        ...
