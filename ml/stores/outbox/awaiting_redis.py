"""Answered transactions that a sink has not acknowledged, in Redis. Keys: see `ml.stores.outbox.keys_redis`."""

import math
from collections.abc import Sequence
from typing import Any

import redis

from ml.stores.outbox.awaiting import Awaiting
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key, dead_letter_key
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source

_CLOCK_SLACK_MS = 1_000
_PAGE_ENTRIES = 200
"""About a megabyte: a few milliseconds of Redis."""


class RedisAwaitingIndex:
    """One sink's sorted set, compared with the stream and its dead letters; `seal` is for the events of repairs."""

    def __init__(self, client: "redis.Redis", sink: str, seal: EventSeal) -> None:
        self._seal = seal
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._sink = sink
        self._repair = client.register_script(script_source("outbox", "repair"))

    def overdue(self, *, before_ms: int, count: int) -> list[Awaiting]:
        """See `AwaitingIndex.overdue`."""
        with redis_failures_as_unavailable():
            found = self._client.zrangebyscore(
                awaiting_key(self._sink), "-inf", before_ms, start=0, num=count, withscores=True
            )
            self._mend(found)
        return [Awaiting(name, _since_ms(score)) for member, score in found if (name := _name(member)) is not None]

    def _mend(self, found: Sequence[tuple[bytes, float]]) -> None:
        """Takes off the list what is no transaction's id, and gives a moment to what has none: we wrote neither."""
        if foreign := [member for member, _ in found if _name(member) is None]:
            self._client.zrem(awaiting_key(self._sink), *foreign)
        since = {member: _since_ms(score) for member, score in found if _name(member) is not None}
        if wrong := {member: since[member] for member, score in found if since.get(member, score) != score}:
            self._client.zadd(awaiting_key(self._sink), wrong, xx=True)

    def held(self, awaiting: Sequence[Awaiting]) -> set[str]:
        """See `AwaitingIndex.held`.

        After an outage thousands of neighbouring entries wait: each stretch of the stream is read once and in pages, so
        that Redis is never blocked for seconds.
        """
        with redis_failures_as_unavailable():
            present = self._between(dead_letter_key(self._sink), "-", "+")
            for start_ms, end_ms in stretches([item.since_ms for item in awaiting]):
                present |= self._between(OUTBOX, start_ms, end_ms)
        return present & {item.transaction_id for item in awaiting}

    def _between(self, stream: str, start: int | str, end: int | str) -> set[str]:
        found: set[str] = set()
        while page := self._client.xrange(stream, start, end, count=_PAGE_ENTRIES):
            found.update(fields.get(b"id", b"").decode(errors="backslashreplace") for _, fields in page)
            start = f"({page[-1][0].decode()}"
        return found

    def awaiting(self, transaction_ids: Sequence[str]) -> set[str]:
        """See `AwaitingIndex.awaiting`."""
        if not transaction_ids:
            return set()
        with redis_failures_as_unavailable():
            scores = self._client.zmscore(awaiting_key(self._sink), list(transaction_ids))
        return {name for name, score in zip(transaction_ids, scores, strict=True) if score is not None}

    def acknowledge(self, transaction_ids: Sequence[str]) -> None:
        """See `AwaitingIndex.acknowledge`."""
        if transaction_ids:
            with redis_failures_as_unavailable():
                self._client.zrem(awaiting_key(self._sink), *transaction_ids)

    def repair(self, transaction_id: str, event: bytes, *, awaited_since_ms: int | None) -> bool:
        """See `AwaitingIndex.repair`."""
        body = self._seal.close(transaction_id, event)
        since = "" if awaited_since_ms is None else awaited_since_ms
        with redis_failures_as_unavailable():
            done = self._repair(keys=[OUTBOX, awaiting_key(self._sink)], args=[self._sink, transaction_id, body, since])
        return bool(done)


def _name(member: bytes) -> str | None:
    try:
        return member.decode()
    except UnicodeDecodeError:
        return None


def _since_ms(score: float) -> int:
    return max(0, int(score)) if math.isfinite(score) else 0


def stretches(moments_ms: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the parts of the stream in which entries of these moments are, in order and without overlaps.

    The set and the stream are written in one script, so an entry's id starts with its time in the set.

    >>> stretches([10_000, 50_000, 11_500])
    [(9000, 12500), (49000, 51000)]
    """
    found: list[tuple[int, int]] = []
    for moment in sorted(moments_ms):
        start, end = max(0, moment - _CLOCK_SLACK_MS), moment + _CLOCK_SLACK_MS
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
