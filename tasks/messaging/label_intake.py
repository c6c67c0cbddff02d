"""Accepting labels: into the stream at once, then a ring for the worker that applies them."""

from collections.abc import Sequence

from ml.domain.label import Label
from ml.stores.labels.labels import LabelInbox
from tasks.messaging.doorbells import ring


def publish_labels(inbox: LabelInbox, labels: Sequence[tuple[Label, str]]) -> None:
    """Accepts labels, each with its correlation id; once this returns they will be stored and applied.

    Raises:
        StoreUnavailableError: nothing is promised; the client must send them again.
    """
    if inbox.accept(labels):
        ring("labels")
