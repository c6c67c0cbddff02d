"""The Celery queues: which tasks each holds, and which of them every shard has of its own.

Nothing here comes from the environment. It stands beside the settings because `celeryconfig`, every process and the
grants in Redis need the same names, and this package is the one that all of them may import.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """One queue, with a worker of the same name.

    Attributes:
        name: of the queue, of its worker, and of the consumer group that a drain reads.
        tasks: the tasks that arrive on it and nowhere else.
        is_drain: whether its one task empties a consumer group into a sink.
        is_on_shards: whether every shard has its own; the other queues serve all shards.
    """

    name: str
    tasks: tuple[str, ...]
    is_drain: bool = False
    is_on_shards: bool = False


SCORE_TASK: Final = "scoring.score"

_ALL: Final = (
    WorkQueue("score", (SCORE_TASK,), is_on_shards=True),
    WorkQueue("explain", ("explanations.drain",), is_drain=True, is_on_shards=True),
    WorkQueue("publish", ("publishing.drain",), is_drain=True, is_on_shards=True),
    WorkQueue("labels", ("labels.apply",), is_drain=True),
    WorkQueue("retrain", ("retraining.run", "drift.check", "reconcile.run")),
)

QUEUES: Final = tuple(queue.name for queue in _ALL)
QUEUE_OF_TASK: Final[Mapping[str, str]] = {task: queue.name for queue in _ALL for task in queue.tasks}
SHARD_QUEUES: Final = tuple(queue.name for queue in _ALL if queue.is_on_shards)

DRAINS: Final[Mapping[str, str]] = {queue.name: queue.tasks[0] for queue in _ALL if queue.is_drain}
"""The task that empties each consumer group into its sink."""

CONSUMER_GROUPS: Final = tuple(DRAINS)
SHARD_CONSUMER_GROUPS: Final = tuple(group for group in CONSUMER_GROUPS if group in SHARD_QUEUES)
