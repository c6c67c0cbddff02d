"""Queues, streams and workers as Redis shows them; the keys are those of `tasks.queues` and the outbox."""

from collections.abc import Mapping, Sequence

import redis

from ml.stores.outbox import Lag
from ml.stores.outbox_redis import RedisOutbox
from tasks.queues import QueueState, WorkerState, live_workers, outbox_lags, queue_states


class RedisQueueMonitor:
    """Reads the broker's lists, the streams' consumer groups and the workers' signs of life."""

    def __init__(self, *, broker: redis.Redis, client: redis.Redis, outboxes: Mapping[str, RedisOutbox]) -> None:
        self._broker = broker
        self._client = client
        self._outboxes = dict(outboxes)

    def workers(self) -> Sequence[WorkerState]:
        """See `QueueMonitor.workers`."""
        return live_workers(self._client)

    def queues(self, workers: Sequence[WorkerState]) -> Sequence[QueueState]:
        """See `QueueMonitor.queues`."""
        return queue_states(self._broker, list(workers))

    def lags(self) -> Mapping[str, Lag]:
        """See `QueueMonitor.lags`."""
        return outbox_lags(self._outboxes)
