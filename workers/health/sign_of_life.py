"""A worker's sign of life in Redis: read by the API's readiness check and by operators."""

from collections.abc import Callable, Mapping

from redis import Redis

from security.messages.stored_seal import StoredSeal
from tasks.clock import SHARED_CLOCK
from tasks.upkeep.histories_reach import HistoriesReach
from tasks.upkeep.queue_status import WorkerStatus, forget_worker, show_worker


class SignOfLife:
    """Renews one entry that soon counts for nothing when the worker is gone.

    Args:
        client: a Redis client of the housekeeping's own.
        seal: of signs of life.
        queue: the queue that the worker consumes.
        name: the worker's node name.
        model_version: returns the version that is loaded; None for a worker without a model.
        shard: the worker's, if it belongs to one.
        reach: which part of its feature store answers.
        figures: returns what else it says of itself.
    """

    def __init__(
        self,
        client: Redis,
        queue: str,
        name: str,
        *,
        seal: StoredSeal,
        model_version: Callable[[], str | None] = lambda: None,
        shard: str | None = None,
        reach: HistoriesReach | None = None,
        figures: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._client = client
        self._seal = seal
        self._queue = queue
        self._name = name
        self._model_version = model_version
        self._shard = shard
        self._reach = reach or HistoriesReach()
        self._figures = figures
        self._started_at = SHARED_CLOCK.now()

    def give(self) -> None:
        """Renews the entry.

        Raises:
            StoreUnavailableError: Redis cannot be reached.
        """
        status = WorkerStatus(
            self._name,
            self._queue,
            self._model_version(),
            self._started_at,
            self._shard,
            histories=self._reach.detail,
            is_blind=self._reach.is_blind,
            figures=self._figures(),
        )
        show_worker(self._client, status, self._seal)

    def end(self) -> None:
        """Removes the entry, so that a stopped worker is gone at once.

        Raises:
            StoreUnavailableError: Redis cannot be reached.
        """
        forget_worker(self._client, self._name)
