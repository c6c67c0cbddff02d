"""Labels in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.domain.label import Label


class MemoryLabelStore:
    """Keeps one label per transaction."""

    def __init__(self) -> None:
        self._labels: dict[str, Label] = {}

    def save(self, labels: Sequence[Label]) -> list[Label]:
        """See `LabelStore.save`."""
        for label in labels:
            known = self._labels.get(label.transaction_id)
            if known is None or label.labelled_at >= known.labelled_at:
                self._labels[label.transaction_id] = label
        given = {label.transaction_id: label for label in labels if self._labels[label.transaction_id] == label}
        return list(given.values())

    def find(self, transaction_id: str) -> Label | None:
        """See `LabelStore.find`."""
        return self._labels.get(transaction_id)
