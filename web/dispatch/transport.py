"""How a scoring message leaves a web process and its reply comes back: what the dispatcher asks of a transport."""

from dataclasses import dataclass
from typing import Protocol

from ml.domain.scoring_batch import ScoringRequest
from tasks.messaging.messages import SealedMessage


class Transport(Protocol):
    """How a scoring message leaves and its reply comes back. Used by the dispatcher's thread alone."""

    def connect(self) -> None:
        """Opens connections ahead of the first message.

        Raises:
            RetryableError: the broker cannot be reached; the first message tries again.
        """
        ...

    def publish(self, batch: "Batch") -> None:
        """Sends one scoring message.

        Raises:
            RetryableError: the broker cannot be reached; the message may or may not have been sent.
        """
        ...

    def seal(self, batch: "Batch") -> SealedMessage | None:
        """Returns a scoring message that somebody else puts on its queue; None if there is no such queue.

        Used by any thread.
        """
        ...

    def wait(self, timeout_seconds: float) -> bytes | None:
        """Returns the next reply, whichever batch it answers, or None when the time is over.

        Raises:
            RetryableError: the connection died; replies under way may be lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """One scoring message; `deadline_ms` is in epoch milliseconds, the latest of its callers'."""

    batch_id: str
    requests: tuple[ScoringRequest, ...]
    deadline_ms: int
