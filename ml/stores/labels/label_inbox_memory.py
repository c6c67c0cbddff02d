"""The label stream in memory, for tests and tools of one process."""

from collections.abc import Sequence

from ml.domain.label import Label
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.outbox.outbox_memory import MemoryStream
from security.messages.message_signer import MessageSigner


class MemoryLabelInbox:
    """Appends sealed labels to a stream that the group `labels` reads."""

    def __init__(self, stream: MemoryStream, signer: MessageSigner) -> None:
        self._stream = stream
        self._seal = LabelSeal(signer)

    def accept(self, labels: Sequence[tuple[Label, str]]) -> bool:
        """See `LabelInbox.accept`."""
        for label, correlation_id in labels:
            self._stream.add(label.transaction_id, self._seal.close(label, correlation_id))
        was_unset = "labels" not in self._stream.doorbells
        self._stream.doorbells.add("labels")
        return was_unset
