"""The queues as metrics, measured whether or not anybody scrapes the API.

The beat that holds the schedule's lock measures them, so that one process alone of all beats shows each queue.
"""

import math
from collections.abc import Callable, Sequence

from redis import Redis

from ml.domain.errors import StoreUnavailableError
from observability import metrics
from security.messages.stored_seal import StoredSeal
from settings import Settings
from settings.queues import QUEUES, SHARD_QUEUES
from tasks.upkeep.queue_status import SIGN_OF_LIFE, QueueStatus, live_workers, queue_statuses

_GAUGES = (metrics.celery_queue_length, metrics.celery_queue_oldest_seconds, metrics.celery_queue_consumers)


class QueueGauges:
    """Keeps the gauges of the queues of one broker current.

    What cannot be read is shown as absent, and not as it was.

    Args:
        settings: say which queues are this process's: its shard's, or all that no shard has.
        broker: where the queues are.
        client: where the workers' signs of life are.
        is_active: whether this process is the one that measures.
    """

    def __init__(self, settings: Settings, *, broker: Redis, client: Redis, is_active: Callable[[], bool]) -> None:
        self._shard = settings.shard
        self._queues = _own_queues(settings)
        self._seal = StoredSeal.from_settings(settings, SIGN_OF_LIFE)
        self._broker = broker
        self._client = client
        self._is_active = is_active

    def measure(self) -> None:
        """Measures the queues now.

        Raises:
            StoreUnavailableError: Redis does not answer.
        """
        if not self._is_active():
            _forget()
            return
        try:
            workers = [worker for worker in live_workers(self._client, self._seal) if worker.shard == self._shard]
            found = queue_statuses(self._broker, workers, queues=self._queues)
        except StoreUnavailableError:
            _forget()
            raise
        for queue in found:
            self._show(queue)

    def _show(self, queue: QueueStatus) -> None:
        name = queue.queue if self._shard is None else f"{queue.queue}-{self._shard}"
        oldest = queue.oldest_seconds if queue.oldest_seconds is not None else math.nan
        metrics.celery_queue_length.labels(queue=name).set(queue.depth)
        metrics.celery_queue_oldest_seconds.labels(queue=name).set(oldest if queue.depth else 0)
        metrics.celery_queue_consumers.labels(queue=name).set(queue.consumers)


def _own_queues(settings: Settings) -> Sequence[str]:
    if settings.shard is not None:
        return SHARD_QUEUES
    # Where scoring is sharded, nothing new arrives on the shared server's queues of these names.
    return [queue for queue in QUEUES if not (settings.score_shard_urls and queue in SHARD_QUEUES)]


def _forget() -> None:
    for gauge in _GAUGES:
        gauge.clear()
