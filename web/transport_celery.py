"""The real transport: a signed Celery message out, the process's own Redis reply list back."""

from ml.stores.replies_redis import RedisReplyBox
from tasks.messages import MessagePublisher
from tasks.scoring import publish_batch
from web.dispatch import Batch


class CeleryTransport:
    """Publishes to the `score` queue; belongs to one dispatcher thread, like its reply box."""

    def __init__(self, publisher: MessagePublisher, replies: RedisReplyBox) -> None:
        self._publisher = publisher
        self._replies = replies

    def connect(self) -> None:
        """See `Transport.connect`."""
        self._publisher.connect()

    def publish(self, batch: Batch) -> None:
        """See `Transport.publish`."""
        publish_batch(
            self._publisher,
            batch.requests,
            batch_id=batch.batch_id,
            reply_to=self._replies.address,
            deadline_ms=batch.deadline_ms,
        )

    def wait(self, timeout_seconds: float) -> bytes | None:
        """See `Transport.wait`."""
        return self._replies.wait(timeout_seconds)
