"""A Redis server's durability: its append-only file, its replicas, and its eviction when memory is full."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError

from ml.stores.redis.failures_redis import redis_failures_as_unavailable

_BARRIER_SINCE = (7, 2)


@dataclass(frozen=True, slots=True)
class Persistence:
    """A server's own report of its durability.

    Attributes:
        has_aof: whether it keeps an append-only file.
        appendfsync: when it writes that to disk; None if it does not say, as managed servers do not.
        eviction: its maxmemory-policy.
        knows_barrier: whether it has WAITAOF.
        replicas: how many replicas are connected to it.
    """

    has_aof: bool
    appendfsync: str | None
    eviction: str
    knows_barrier: bool
    replicas: int = 0


def read_persistence(client: "redis.Redis") -> Persistence:
    """Asks a server.

    Raises:
        StoreUnavailableError: it cannot be reached.
    """
    with redis_failures_as_unavailable():
        facts: dict[str, Any] = client.info()
        policy = appendfsync(client)
    # Valkey calls itself 7.2 in the field that clients of Redis read.
    version = tuple(int(part) for part in str(facts["redis_version"]).split(".")[:2])
    return Persistence(
        has_aof=bool(facts["aof_enabled"]),
        appendfsync=policy,
        eviction=str(facts["maxmemory_policy"]),
        knows_barrier=version >= _BARRIER_SINCE,
        replicas=int(facts.get("connected_slaves", 0)),
    )


def appendfsync(client: Any) -> str | None:
    """Returns when a server writes its append-only file to disk; None if it has none, or does not say.

    Raises:
        redis.exceptions.RedisError: it cannot be reached.
    """
    try:
        reply = client.config_get("append*")
    except ResponseError:  # CONFIG is renamed or forbidden
        return None
    settings = {_text(name): _text(value) for name, value in reply.items()}
    return settings["appendfsync"] if settings["appendonly"] == "yes" else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def broken_promises(server: Persistence, *, waits_for_disk: bool, replicas: int = 0) -> Iterator[str]:
    """Yields, in sentences, which promises the server cannot keep.

    Args:
        server: its own report.
        waits_for_disk: whether answers wait until they are on disk (DURABILITY=aof-fsync).
        replicas: how many replicas answers wait for (DURABILITY_REPLICAS).
    """
    if server.replicas < replicas:
        yield (
            f"DURABILITY_REPLICAS is {replicas} and Redis has {server.replicas} connected replicas, so nothing can be "
            "answered; connect replicas or lower it."
        )
    if not server.has_aof:
        yield "Redis keeps no append-only file: its restart loses what was answered; set appendonly yes."
    elif server.appendfsync == "no":
        yield "Redis leaves disk writes to the operating system (appendfsync no); set everysec or always."
    if server.eviction != "noeviction":
        yield (
            f"Redis forgets answers when its memory is full (maxmemory-policy {server.eviction}); "
            "set maxmemory-policy noeviction."
        )
    if waits_for_disk and not server.knows_barrier:
        yield "DURABILITY=aof-fsync needs WAITAOF, which Redis has since 7.2."
    elif waits_for_disk and server.has_aof and server.appendfsync == "everysec":
        yield "Every answer waits up to a second for Redis's disk (appendfsync everysec); set appendfsync always."
