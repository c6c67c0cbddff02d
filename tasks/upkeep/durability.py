"""Checks whether Redis keeps the platform's promises, and logs an error while it does not."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from redis import Redis

from ml.stores.redis.persistence_redis import broken_promises, read_persistence
from observability import metrics
from settings import Settings

_log = logging.getLogger(__name__)


def redis_problems(settings: Settings, client: Redis) -> list[str]:
    """Returns a sentence for each promise that Redis cannot keep with its present configuration.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    server = read_persistence(client)
    return list(broken_promises(server, waits_for_disk=settings.waits_for_disk, replicas=settings.durability_replicas))


def watch_durability(settings: Settings, client: Redis) -> Callable[[], None]:
    """Returns a job that looks again at each turn: somebody may change a running server."""
    return DurabilityWatch(partial(redis_problems, settings, client)).look


class DurabilityWatch:
    """Shows by a gauge whether all promises hold, and logs each that breaks or is kept again.

    Args:
        problems: looks, and returns sentences.
    """

    def __init__(self, problems: Callable[[], Sequence[str]]) -> None:
        self._problems = problems
        self._known: frozenset[str] = frozenset()

    def look(self) -> None:
        """Looks once.

        Raises:
            StoreUnavailableError: Redis cannot be reached.
        """
        found = self._problems()
        metrics.redis_promises_kept.set(not found)
        for problem in found:
            if problem not in self._known:
                _log.error("durability: %s", problem)
        if self._known and not found:
            _log.info("durability: Redis keeps its promises again")
        self._known = frozenset(found)
