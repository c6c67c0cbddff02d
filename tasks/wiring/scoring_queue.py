"""The queue and the reply list of a web process: pinned connections, one user each."""

from ml.stores.decisions.replies_redis import RedisReplyBox
from tasks.messaging.message_queue_redis import RedisMessageQueue
from tasks.wiring.clients_redis import Wait
from tasks.wiring.connections import Connections, answer_wait

_REPLY_MARGIN_SECONDS = 1.0


def reply_box(connections: Connections) -> RedisReplyBox:
    """Returns a reply list of its own with a connection of its own, for one web process.

    Its socket outlives the longest wait by a margin, so that a frozen server cannot hold a request for ever.
    """
    settings = connections.settings
    wait = Wait(settings.score_timeout_ms / 1000 + _REPLY_MARGIN_SECONDS, retries_timeouts=False)
    return RedisReplyBox(connections.pinned_redis(settings.delivery_url, wait))


def message_queue(connections: Connections) -> RedisMessageQueue:
    """Returns the broker's queues for one web process, with a connection of its own.

    Publishing to a frozen broker fails within the deadline: every request behind it would miss its own.
    """
    settings = connections.settings
    return RedisMessageQueue(connections.pinned_redis(settings.celery_broker_url, answer_wait(settings)))
