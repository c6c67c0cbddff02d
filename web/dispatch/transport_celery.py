"""The real transport: a signed Celery message out, the process's own Redis reply list back."""

from ml.stores.decisions.replies_redis import RedisReplyBox
from tasks.messaging.messages import MessagePublisher, SealedMessage
from tasks.messaging.scoring_message import seal_batch
from web.scoring.batch import Batch


class CeleryTransport:
    """Publishes to the `score` queue; belongs to one dispatcher thread, like its reply box.

    Args:
        publisher: of this process.
        replies: the reply list.
        recorded: whether decisions are to be recorded.
    """

    def __init__(self, publisher: MessagePublisher, replies: RedisReplyBox, *, recorded: bool = True) -> None:
        self._publisher = publisher
        self._replies = replies
        self._recorded = recorded

    def connect(self) -> None:
        """See `Transport.connect`."""
        self._publisher.connect()

    def publish(self, batch: Batch) -> None:
        """See `Transport.publish`."""
        self._publisher.send(self.seal(batch))

    def seal(self, batch: Batch) -> SealedMessage:
        """See `Transport.seal`."""
        return seal_batch(
            self._publisher,
            batch.requests,
            batch_id=batch.batch_id,
            reply_to=self._replies.address,
            deadline_ms=batch.deadline_ms,
            recorded=self._recorded,
        )

    def wait(self, timeout_seconds: float) -> bytes | None:
        """See `Transport.wait`."""
        return self._replies.wait(timeout_seconds)
