"""The status of queues, streams and workers as Redis shows it, in the form of `web.services.QueueMonitor`.

The keys are those of `tasks.upkeep.queue_status` and the outbox.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.outbox import Lag
from ml.stores.outbox.outbox_redis import RedisOutbox
from security.messages.stored_seal import StoredSeal
from settings.queues import SHARD_QUEUES
from tasks.upkeep.queue_status import (
    QueueStatus,
    ShardStatus,
    WorkerStatus,
    check_writes,
    live_workers,
    outbox_lags,
    queue_statuses,
)


@dataclass(frozen=True, slots=True)
class RedisShardView:
    """A shard's server, and the views of its outbox by consumer."""

    name: str
    client: redis.Redis
    outboxes: Mapping[str, RedisOutbox]

    def status(self, workers: Sequence[WorkerStatus]) -> ShardStatus:
        """Returns the shard's queues and lags; marked as unreachable if it does not answer or refuses writes."""
        own = [worker for worker in workers if worker.shard == self.name]
        try:
            check_writes(self.client)
            queues = queue_statuses(self.client, own, queues=SHARD_QUEUES)
            return ShardStatus(self.name, reachable=True, queues=queues, outbox=outbox_lags(self.outboxes))
        except StoreUnavailableError:
            return ShardStatus(self.name, reachable=False)


class RedisQueueMonitor:
    """Reads the broker's lists, the streams' consumer groups and the workers' signs of life."""

    def __init__(
        self,
        *,
        broker: redis.Redis,
        client: redis.Redis,
        seal: StoredSeal,
        outboxes: Mapping[str, RedisOutbox],
        shards: Sequence[RedisShardView] = (),
    ) -> None:
        self._broker = broker
        self._client = client
        self._seal = seal
        self._outboxes = dict(outboxes)
        self._shards = tuple(shards)

    def workers(self) -> Sequence[WorkerStatus]:
        """See `QueueMonitor.workers`."""
        return live_workers(self._client, self._seal)

    def check_writes(self) -> None:
        """See `QueueMonitor.check_writes`."""
        for server in {id(server): server for server in (self._broker, self._client)}.values():
            check_writes(server)

    def queues(self, workers: Sequence[WorkerStatus]) -> Sequence[QueueStatus]:
        """See `QueueMonitor.queues`."""
        return queue_statuses(self._broker, [worker for worker in workers if worker.shard is None])

    def lags(self) -> Mapping[str, Lag]:
        """See `QueueMonitor.lags`."""
        return outbox_lags(self._outboxes)

    def shards(self, workers: Sequence[WorkerStatus]) -> Sequence[ShardStatus]:
        """See `QueueMonitor.shards`."""
        return [shard.status(workers) for shard in self._shards]
