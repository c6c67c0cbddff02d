"""Answered transactions that a sink has not acknowledged, in Redis. Keys: see `ml.stores.keys_redis`."""

import time
from collections.abc import Sequence
from typing import Any

import redis

from ml.reconciliation import Awaiting
from ml.stores.failures_redis import redis_failures_as_unavailable
from ml.stores.keys_redis import OUTBOX, awaiting_key, dead_letter_key

_CLOCK_SLACK_MS = 1_000
_DEAD_LETTERS_LOOKED_AT = 10_000


class RedisAwaitingIndex:
    """One sink's sorted set, compared with the stream and its dead letters."""

    def __init__(self, client: "redis.Redis", sink: str) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._sink = sink

    def overdue(self, *, before_ms: int, count: int) -> list[Awaiting]:
        """See `AwaitingIndex.overdue`."""
        with redis_failures_as_unavailable():
            found = self._client.zrangebyscore(
                awaiting_key(self._sink), "-inf", before_ms, start=0, num=count, withscores=True
            )
        return [Awaiting(transaction_id.decode(), int(score)) for transaction_id, score in found]

    def held(self, awaiting: Sequence[Awaiting]) -> set[str]:
        """See `AwaitingIndex.held`."""
        with redis_failures_as_unavailable(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.xrange(dead_letter_key(self._sink), count=_DEAD_LETTERS_LOOKED_AT)
            for item in awaiting:
                # The set and the stream are written in one script: an entry's id starts with its time in the set.
                pipeline.xrange(OUTBOX, item.since_ms - _CLOCK_SLACK_MS, item.since_ms + _CLOCK_SLACK_MS)
            replies = pipeline.execute()
        present = {fields[b"id"].decode() for reply in replies for _, fields in reply}
        return present & {item.transaction_id for item in awaiting}

    def awaiting(self, transaction_ids: Sequence[str]) -> set[str]:
        """See `AwaitingIndex.awaiting`."""
        if not transaction_ids:
            return set()
        with redis_failures_as_unavailable():
            scores = self._client.zmscore(awaiting_key(self._sink), list(transaction_ids))
        return {name for name, score in zip(transaction_ids, scores, strict=True) if score is not None}

    def settle(self, transaction_ids: Sequence[str]) -> None:
        """See `AwaitingIndex.settle`."""
        if transaction_ids:
            with redis_failures_as_unavailable():
                self._client.zrem(awaiting_key(self._sink), *transaction_ids)

    def repair(self, transaction_id: str, event: bytes) -> None:
        """See `AwaitingIndex.repair`."""
        with redis_failures_as_unavailable(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(OUTBOX, {"id": transaction_id, "event": event, "only": self._sink})
            pipeline.zadd(awaiting_key(self._sink), {transaction_id: time.time_ns() // 1_000_000})
            pipeline.execute()
