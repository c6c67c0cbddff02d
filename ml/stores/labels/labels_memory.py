"""Labels in memory, for tests and tools of one process."""

import time
from collections.abc import Callable, Sequence

from ml.domain.label import Label
from ml.stores.labels.labels import RecordedLabel


class MemoryLabelStore:
    """Keeps what is known of each transaction.

    Args:
        clock: epoch seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._labels: dict[str, RecordedLabel] = {}
        self._clock = clock

    def save(self, labels: Sequence[Label]) -> list[RecordedLabel]:
        """See `LabelStore.save`."""
        for label in labels:
            known = self._labels.get(label.transaction_id)
            merged = RecordedLabel.of(label) if known is None else known.merged(label, now=self._clock())
            self._labels[label.transaction_id] = merged
        return list(self.find_many([label.transaction_id for label in labels]).values())

    def find_many(self, transaction_ids: Sequence[str]) -> dict[str, RecordedLabel]:
        """See `LabelStore.find_many`."""
        return {name: self._labels[name] for name in transaction_ids if name in self._labels}
