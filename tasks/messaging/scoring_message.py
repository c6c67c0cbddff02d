"""The message that has a batch scored. Its sender imports none of the scoring code, which is slow to import."""

from collections.abc import Sequence

import orjson

from ml.domain.scoring_batch import ScoringRequest
from settings.queues import SCORE_TASK
from tasks.messaging.messages import MessagePublisher, SealedMessage


def seal_batch(
    publisher: MessagePublisher,
    requests: Sequence[ScoringRequest],
    *,
    batch_id: str,
    reply_to: str,
    deadline_ms: int,
    recorded: bool = True,
) -> SealedMessage:
    """Returns one signed scoring message, for its queue.

    Args:
        publisher: of this process.
        requests: the batch, in the order in which results are expected.
        batch_id: unique; the reply repeats it.
        reply_to: the sender's reply list.
        deadline_ms: epoch milliseconds after which the sender no longer waits.
        recorded: whether the decisions are to be recorded; only PERF_MODE does without.
    """
    content = {"reply_to": reply_to, "items": [request.wire() for request in requests], "recorded": recorded}
    payload = orjson.dumps(content).decode()
    return publisher.seal(SCORE_TASK, payload, message_id=batch_id, deadline_ms=deadline_ms)
