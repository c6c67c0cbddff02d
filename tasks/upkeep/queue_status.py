"""The status of the queues, the outbox and the workers, for operators and health checks.

| key | type | TTL | holds |
| --- | --- | --- | --- |
| `shrike:writable` | string | 60 s | nothing: written to see whether the server takes writes |
| `shrike:workers` | hash | field removed at shutdown; stale after 5 s | a worker's sign of life by its name, JSON |
| `shrike:workers:seals` | hash | as the sign's | its seal, apart because an earlier version reads the sign |

A sign of life that no holder of the message key gave counts for nothing: a made-up worker would be waited for where
SAFE MODE is left, and would hide that none is there. A value of another type at either key is deleted by the next sign:
both hold nothing that is not written again within a second or two.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from ml.stores.outbox.outbox import Lag
from ml.stores.outbox.outbox_redis import RedisOutbox
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.refusals_redis import is_wrong_type
from security.messages.stored_seal import StoredSeal
from settings.queues import QUEUES
from tasks.clock import SHARED_CLOCK

WORKERS: Final = "shrike:workers"
SEALS: Final = "shrike:workers:seals"
SIGN_OF_LIFE: Final = "worker.sign_of_life"
"""The purpose of the seals."""

WRITABLE: Final = "shrike:writable"
_WRITABLE_SECONDS = 60
ALIVE_SECONDS = 5.0
_FORGET_SECONDS = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """One Celery queue: waiting messages, age of the oldest in seconds (None if empty or unknown), live workers."""

    queue: str
    depth: int
    oldest_seconds: float | None
    consumers: int


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker's last sign of life.

    Attributes:
        name: its node name.
        queue: the queue that it consumes.
        model_version: the loaded model; None for a worker without one, or before it is loaded.
        started_at: epoch seconds of its start.
        shard: where its queue is; None where scoring is not sharded, and for a worker that serves all shards.
        histories: what is wrong with its feature store, in a sentence; None while all of it answers.
        is_blind: whether no part of its feature store answers, so that it can decide nothing.
        figures: its decisions so far by kind, and the drift that it found last.
    """

    name: str
    queue: str
    model_version: str | None
    started_at: float
    shard: str | None = None
    histories: str | None = None
    is_blind: bool = False
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One shard: whether it answers and, if it does, its queues and the lag of its consumer groups."""

    shard: str
    reachable: bool
    queues: Sequence[QueueStatus] = ()
    outbox: Mapping[str, Lag] = field(default_factory=dict)


class _SignOfLife(BaseModel):
    """A sign of life as Redis holds it, where anybody may have written anything; a later version may add fields."""

    model_config = ConfigDict(strict=True)

    name: str
    queue: str
    model_version: str | None
    started_at: Annotated[float, Field(allow_inf_nan=False)]
    shard: str | None = None
    histories: str | None = None
    is_blind: bool = False
    figures: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    seen_at: Annotated[float, Field(allow_inf_nan=False)]


def queue_statuses(
    broker: Redis, workers: Sequence[WorkerStatus], *, queues: Sequence[str] = QUEUES
) -> list[QueueStatus]:
    """Returns the status of some queues, in their order, from the broker's lists.

    Raises:
        StoreUnavailableError: the broker cannot be reached.
    """
    with redis_failures_as_unavailable(), broker.pipeline(transaction=False) as pipeline:
        pipeline.time()
        for queue in queues:
            pipeline.llen(queue)
            pipeline.lindex(queue, -1)
        clock, *replies = pipeline.execute()
    return [
        QueueStatus(
            queue=queue,
            depth=replies[2 * place],
            oldest_seconds=_age(replies[2 * place + 1], _seconds(clock)),
            consumers=sum(1 for worker in workers if worker.queue == queue),
        )
        for place, queue in enumerate(queues)
    ]


def _seconds(clock: tuple[int, int]) -> float:
    """Returns what Redis's TIME answered in epoch seconds."""
    return clock[0] + clock[1] / 1e6


def _age(message: bytes | None, now: float) -> float | None:
    """Returns the age of a queued message from the time its sender wrote into it."""
    if message is None:
        return None
    try:
        age = max(0.0, now - float(orjson.loads(message)["headers"]["sent_at"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return age if math.isfinite(age) else None


def check_writes(client: Redis) -> None:
    """Returns if the server takes writes: one that was demoted, or lacks replicas or memory, still answers reads.

    Raises:
        StoreUnavailableError: it refuses them, or cannot be reached.
    """
    with redis_failures_as_unavailable():
        client.set(WRITABLE, 1, ex=_WRITABLE_SECONDS)


def outbox_lags(outboxes: Mapping[str, RedisOutbox]) -> dict[str, Lag]:
    """Returns the lag of each consumer group: the entries that it has not acknowledged.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    return {group: outbox.lag() for group, outbox in outboxes.items()}


def show_worker(client: Redis, worker: WorkerStatus, seal: StoredSeal) -> None:
    """Writes a worker's sign of life with its seal; it counts for `ALIVE_SECONDS`.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    content = asdict(worker) | {"seen_at": SHARED_CLOCK.now()}
    if worker.histories is None:  # an earlier version reads a sign without these, and no other
        del content["histories"], content["is_blind"]
    if not worker.figures:
        del content["figures"]
    sign = orjson.dumps(content)
    signed = seal.sign(worker.name, sign)
    with redis_failures_as_unavailable():
        try:
            _write_sign(client, worker.name, sign, signed)
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            _log.error("%s or %s held a value of another type; both are deleted and written again", WORKERS, SEALS)
            _write_sign(client, worker.name, sign, signed, anew=True)


def _write_sign(client: Redis, name: str, sign: bytes, signed: str, *, anew: bool = False) -> None:
    with client.pipeline(transaction=True) as pipeline:
        if anew:
            pipeline.delete(WORKERS, SEALS)
        pipeline.hset(WORKERS, name, sign)
        pipeline.hset(SEALS, name, signed)
        pipeline.execute()


def forget_worker(client: Redis, name: str) -> None:
    """Removes a worker that stops, so that it is gone at once.

    Raises:
        StoreUnavailableError: Redis cannot be reached; the sign of life goes stale by itself.
    """
    _remove(client, [name])


def live_workers(client: Redis, seal: StoredSeal) -> list[WorkerStatus]:
    """Returns the workers that gave a sign of life within `ALIVE_SECONDS`, in one round trip, sorted by name.

    Redis's own clock says how old a sign is. The old entry of a killed worker is removed, and what no worker wrote.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    now, fields, seals = _read_signs(client)
    live, old = [], list[bytes](seals.keys() - fields.keys())
    for name, value in sorted(fields.items()):
        sign = _sign(value) if _is_ours(seal, name, value, seals.get(name)) else None
        if sign is None:
            _log.warning("a sign of life in Redis is not a worker's", extra={"key": WORKERS})
            old.append(name)
            continue
        status, age = sign[0], now - sign[1]
        if abs(age) < ALIVE_SECONDS:  # one from the future was given before Redis's clock was set back
            live.append(status)
        elif age > _FORGET_SECONDS:
            old.append(name)
    if old:
        _remove(client, old)
    return live


def live_names(client: Redis, is_sealed_by: Callable[[str, bytes, str], bool]) -> list[str]:
    """Returns the names of the live workers whose sign somebody sealed, sorted; removes and logs nothing.

    Args:
        client: of the server with the signs of life.
        is_sealed_by: tells it from a name, the sign and its seal.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    now, fields, seals = _read_signs(client)
    found = []
    for raw, value in sorted(fields.items()):
        sign, name = _sign(value), raw.decode(errors="replace")
        if sign is None or raw not in seals or abs(now - sign[1]) >= ALIVE_SECONDS:
            continue
        if is_sealed_by(name, value, seals[raw].decode(errors="replace")):
            found.append(name)
    return found


def _read_signs(client: Redis) -> tuple[float, dict[bytes, bytes], dict[bytes, bytes]]:
    """Returns the server's time, and the signs of life and their seals by the workers' names."""
    # In one transaction: between the two hashes a worker may renew its sign.
    with redis_failures_as_unavailable(), client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        pipeline.hgetall(WORKERS)
        pipeline.hgetall(SEALS)
        clock, fields, seals = pipeline.execute()
    return _seconds(clock), fields, seals


def _remove(client: Redis, names: Sequence[bytes | str]) -> None:
    with redis_failures_as_unavailable(), client.pipeline(transaction=True) as pipeline:
        pipeline.hdel(WORKERS, *names)  # type: ignore[arg-type,unused-ignore]
        pipeline.hdel(SEALS, *names)  # type: ignore[arg-type,unused-ignore]
        pipeline.execute()


def _is_ours(seal: StoredSeal, name: bytes, sign: bytes, stored: bytes | None) -> bool:
    given = None if stored is None else stored.decode(errors="replace")
    return seal.is_valid(name.decode(errors="replace"), sign, given)


def _sign(value: bytes) -> tuple[WorkerStatus, float] | None:
    """Returns a worker's status and when it was seen; None for what is no sign of life."""
    try:
        content = _SignOfLife.model_validate_json(value).model_dump()
    except ValidationError:
        return None
    seen_at = content.pop("seen_at")
    return WorkerStatus(**content), seen_at
