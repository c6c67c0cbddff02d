"""Doorbells: messages without content that tell a drain there is something in its stream.

One ring is as good as many: whoever rings leaves its own ring alone in the queue. So a queue of doorbells holds at most
one, however many processes ring, and however long nobody drains.
"""

import logging
from typing import Any

from kombu.exceptions import OperationalError

from ml.errors import StoreUnavailableError
from ml.stores.failures_redis import redis_failures_as_unavailable
from tasks.app import app

_TASKS = {"explain": "explanations.drain", "publish": "publishing.drain", "labels": "labels.apply"}
_QUEUES = {task: consumer for consumer, task in _TASKS.items()}

_log = logging.getLogger(__name__)


def ring(*consumers: str) -> None:
    """Rings the drains of consumers. A lost ring costs only time: beat rings again every few seconds."""
    for consumer in consumers:
        try:
            with redis_failures_as_unavailable(), app.pool.acquire(block=True) as connection:
                app.send_task(
                    _TASKS[consumer],
                    argsrepr="()",
                    kwargsrepr="{}",
                    retry=False,
                    ignore_result=True,
                    connection=connection,
                )
                _keep_newest(connection, consumer)
        except (OperationalError, StoreUnavailableError) as error:
            _log.warning("the doorbell of %s was not rung: %s", consumer, error)


def keep_one_ring(sender: object = None, **_: Any) -> None:
    """Leaves one ring waiting after somebody sent another: the hook of beat, which sends its own way."""
    consumer = _QUEUES.get(str(sender))
    if consumer is None:
        return
    try:
        with redis_failures_as_unavailable(), app.pool.acquire(block=True) as connection:
            _keep_newest(connection, consumer)
    except (OperationalError, StoreUnavailableError) as error:
        _log.warning("older rings of %s were left in the queue: %s", consumer, error)


def _keep_newest(connection: Any, consumer: str) -> None:
    # The newest, not the oldest: a worker may be taking the other end at this very moment.
    connection.default_channel.client.ltrim(consumer, 0, 0)
