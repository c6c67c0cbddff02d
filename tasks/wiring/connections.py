"""The connections of one process: one client per server and policy, made when it is first asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Self

from redis import Redis

from settings import Settings
from tasks.wiring.clients_mongo import connect_mongo
from tasks.wiring.clients_redis import Wait, connect_redis

if TYPE_CHECKING:
    from pymongo.database import Database


class Policy(Enum):
    """Who waits for Redis, and so for how long."""

    BACKGROUND = auto()
    """Work that no request waits for."""
    HOUSEKEEPING = auto()
    """The small repeated jobs of a worker, which take turns on one thread."""
    REFRESH = auto()
    """Copies in memory that are renewed beside the request path; a process's first request waits for them."""
    PROBE = auto()
    """Probes and scrapers: they wait a few seconds at most, and must learn in that time that Redis does not answer."""
    REQUEST_PATH = auto()
    """A request that waits for its decision; it has no time for a retry."""


@dataclass(frozen=True, slots=True)
class Connections:
    """Makes each client once and lends it to every store that asks for the same server and policy.

    The clients lend each command a connection of its own, so threads and greenlets may share them. A pinned client may
    have one user only: each call makes another one.

    Attributes:
        settings: of this process, or of one of its shards.
    """

    settings: Settings
    _redis: dict[tuple[str, Policy], Redis] = field(default_factory=dict, repr=False)
    _mongo: "list[Database[dict[str, Any]]]" = field(default_factory=list, repr=False)

    def of(self, settings: Settings) -> Self:
        """Returns the same connections for a shard's settings."""
        return replace(self, settings=settings)

    def redis(self, url: str | None = None, policy: Policy = Policy.BACKGROUND) -> Redis:
        """Returns the client of a server, REDIS_URL by default."""
        key = (url or self.settings.redis_url, policy)
        if key not in self._redis:
            self._redis[key] = connect_redis(self.settings, key[0], _waits(self.settings)[policy])
        return self._redis[key]

    def pinned_redis(self, url: str, wait: Wait | None = None) -> Redis:
        """Returns a new client with one connection of its own, for one user; by default it waits as in background."""
        return connect_redis(self.settings, url, wait, pinned=True)

    def mongo(self) -> "Database[dict[str, Any]]":
        """Returns the MongoDB database."""
        if not self._mongo:
            self._mongo.append(connect_mongo(self.settings))
        return self._mongo[0]

    def close(self) -> None:
        """Closes the shared clients; a process that lives as long as its connections need not."""
        for client in self._redis.values():
            client.close()
        for database in self._mongo:
            database.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _waits(settings: Settings) -> Mapping[Policy, Wait]:
    return {
        Policy.BACKGROUND: Wait(settings.redis_socket_timeout_seconds),
        Policy.HOUSEKEEPING: Wait(2.0),
        Policy.REFRESH: Wait(1.0),
        Policy.PROBE: Wait(1.0, retries=0),
        Policy.REQUEST_PATH: Wait(settings.score_timeout_ms / 1000, retries=0),
    }


def answer_wait(settings: Settings) -> Wait:
    """Returns the wait of a pinned client on the request path: a late reply comes after the request's deadline."""
    return Wait(settings.score_timeout_ms / 1000, retries_timeouts=False)


def histories_wait(settings: Settings) -> Wait:
    """Returns the scorer's wait for the histories.

    Where they are on servers of their own it ends at half of the time that a request has, so that it can still be told.
    """
    wait = answer_wait(settings)
    if settings.feature_store_url == settings.delivery_url:
        return wait
    return replace(wait, timeout_seconds=wait.timeout_seconds / 2)
