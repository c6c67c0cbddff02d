"""The one way in for a label: into the stream at once, then a doorbell for the worker that applies it."""

from ml.domain.label import Label
from ml.stores.labels.labels import LabelInbox
from tasks.messaging.doorbells import send_doorbells


class StreamLabelIntake:
    """Accepts labels.

    Args:
        inbox: the stream that keeps them until they are stored and applied.
    """

    def __init__(self, inbox: LabelInbox) -> None:
        self._inbox = inbox

    def accept(self, label: Label, correlation_id: str) -> None:
        """Accepts a label; once this returns it will be stored and applied.

        Raises:
            StoreUnavailableError: nothing is promised; the client must send it again.
        """
        if self._inbox.accept([(label, correlation_id)]):
            send_doorbells("labels")
