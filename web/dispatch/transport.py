"""The transport protocol: how a scoring message leaves a web process and its reply comes back."""

from typing import Protocol

from tasks.messaging.messages import SealedMessage
from web.scoring.batch import Batch


class Transport(Protocol):
    """Sends scoring messages and receives their replies. Used by the dispatcher's thread alone."""

    def connect(self) -> None:
        """Opens connections ahead of the first message.

        Raises:
            RetryableError: the broker cannot be reached; the first message tries again.
        """
        ...

    def publish(self, batch: Batch) -> None:
        """Sends one scoring message.

        Raises:
            RetryableError: the broker cannot be reached; the message may or may not have been sent.
        """
        ...

    def seal(self, batch: Batch) -> SealedMessage | None:
        """Returns a scoring message that another round trip puts on its queue; None if there is no such queue.

        Used by any thread.
        """
        ...

    def wait(self, timeout_seconds: float) -> bytes | None:
        """Returns the next reply, whichever batch it answers, or None when the time is over.

        Raises:
            RetryableError: the connection died; replies under way may be lost.
        """
        ...
