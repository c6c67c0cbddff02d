"""Consumer groups on Redis streams. Keys: see `ml.stores.outbox.keys_redis`."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, TypeVar

import redis
from redis.exceptions import ResponseError

from ml.stores.outbox.keys_redis import awaiting_key, dead_letter_key, doorbell_key
from ml.stores.outbox.outbox import DeadLetter, Lag, OutboxEntry
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source

_Reply = TypeVar("_Reply")


class RedisOutbox:
    """One group's view of a stream.

    Args:
        client: a Redis client with raw (undecoded) replies.
        stream: the stream's key.
        group: the consumer group, also the name of doorbell, awaiting set and dead letters.
        groups: every group that must acknowledge before an entry may be trimmed.
        consumer: this process's name, stable over restarts: what it left unacknowledged comes back to it at once.
        claim_idle_ms: after this idle time another consumer's entry counts as abandoned.
    """

    def __init__(
        self,
        client: "redis.Redis",
        *,
        stream: str,
        group: str,
        groups: Sequence[str],
        consumer: str,
        claim_idle_ms: int,
    ) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._stream = stream
        self._group = group
        self._groups = tuple(groups)
        self._consumer = consumer
        self._claim_idle_ms = claim_idle_ms
        self._acknowledge = client.register_script(script_source("outbox", "acknowledge"))
        self._redrive = client.register_script(script_source("outbox", "redrive"))
        self._trim = client.register_script(script_source("outbox", "trim"))

    def read_pending(self, count: int) -> list[OutboxEntry]:
        """See `Outbox.read_pending`."""
        return self._with_group(lambda: self._claim(count))

    def _claim(self, count: int) -> list[OutboxEntry]:
        own = self._pending(count, consumername=self._consumer)
        abandoned = self._pending(count, idle=self._claim_idle_ms)
        entries: list[OutboxEntry] = []
        for found, idle_ms in ((own, 0), (abandoned, self._claim_idle_ms)):
            deliveries = {item["message_id"]: item["times_delivered"] + 1 for item in found}
            if deliveries:
                claimed = self._client.xclaim(self._stream, self._group, self._consumer, idle_ms, list(deliveries))
                entries += [_entry(item, deliveries[item[0]]) for item in claimed if item[1]]
        distinct = {entry.entry_id: entry for entry in entries}
        return list(distinct.values())[:count]

    def _pending(self, count: int, **criteria: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.xpending_range(
            self._stream, self._group, min="-", max="+", count=count, **criteria
        )
        return found

    def read_new(self, count: int) -> list[OutboxEntry]:
        """See `Outbox.read_new`."""
        reply = self._with_group(
            lambda: self._client.xreadgroup(self._group, self._consumer, {self._stream: ">"}, count=count)
        )
        items = reply.items() if isinstance(reply, dict) else reply
        entries = chain.from_iterable(batch for _, batch in items or ())
        return [_entry(item, 1) for item in entries]

    def acknowledge(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.acknowledge`."""
        self._take_off([(entry, b"") for entry in entries], "")

    def bury(self, entry: OutboxEntry, reason: str) -> None:
        """See `Outbox.bury`."""
        self._take_off([(entry, entry.body)], reason or "unknown")

    def _take_off(self, entries: Sequence[tuple[OutboxEntry, bytes]], reason: str) -> None:
        if not entries:
            return
        args: list[str | bytes] = [self._group, reason]
        for entry, body in entries:
            args += [entry.entry_id, entry.transaction_id, body]
        with redis_failures_as_unavailable():
            self._acknowledge(keys=[self._stream, awaiting_key(self._group), dead_letter_key(self._group)], args=args)

    def release(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.release`."""
        by_deliveries = defaultdict(list)
        for entry in entries:
            by_deliveries[entry.deliveries - 1].append(entry.entry_id)
        for deliveries, ids in by_deliveries.items():
            self._count_deliveries(ids, deliveries)

    def charge(self, entry: OutboxEntry) -> None:
        """See `Outbox.charge`."""
        self._count_deliveries([entry.entry_id], entry.deliveries)

    def _count_deliveries(self, ids: Sequence[str], deliveries: int) -> None:
        with redis_failures_as_unavailable():
            self._client.xclaim(
                self._stream, self._group, self._consumer, 0, list(ids), retrycount=deliveries, justid=True
            )

    def lag(self) -> Lag:
        """See `Outbox.lag`."""
        return self._with_group(self._measure_lag)

    def _measure_lag(self) -> Lag:
        summary = self._client.xpending(self._stream, self._group)  # first: it fails if there is no such group yet
        groups = self._client.xinfo_groups(self._stream)
        info = next(group for group in groups if _text(group["name"]) == self._group)
        behind = self._client.xrange(self._stream, min=f"({_text(info['last-delivered-id'])}", count=1)
        unread = info.get("lag")
        if unread is None:  # Redis does not know it after some deletions
            unread = self._client.xlen(self._stream) if behind else 0
        oldest = [_milliseconds(summary["min"])] if summary["pending"] else []
        oldest += [_milliseconds(behind[0][0])] if behind else []
        seconds, microseconds = self._client.time()
        now_ms = seconds * 1000 + microseconds // 1000
        return Lag(
            entries=summary["pending"] + unread,
            oldest_seconds=max(0.0, (now_ms - min(oldest)) / 1000) if oldest else 0.0,
            dead_letters=self._client.xlen(dead_letter_key(self._group)),
        )

    def clear_doorbell(self) -> None:
        """See `Outbox.clear_doorbell`."""
        with redis_failures_as_unavailable():
            self._client.delete(doorbell_key(self._group))

    def trim(self) -> int:
        """See `Outbox.trim`."""
        with redis_failures_as_unavailable():
            return int(self._trim(keys=[self._stream], args=list(self._groups)))

    def dead_letters(self, count: int) -> list[DeadLetter]:
        """See `Outbox.dead_letters`."""
        with redis_failures_as_unavailable():
            items = self._client.xrange(dead_letter_key(self._group), count=count)
        return [
            DeadLetter(
                letter_id=_text(letter_id),
                entry_id=_text(fields[b"entry_id"]),
                transaction_id=_text(fields[b"id"]),
                body=fields[b"event"],
                reason=_text(fields[b"reason"]),
            )
            for letter_id, fields in items
        ]

    def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """See `Outbox.redrive`."""
        keys = [dead_letter_key(self._group), self._stream, awaiting_key(self._group)]
        with redis_failures_as_unavailable():
            return int(self._redrive(keys=keys, args=[self._group, *(letter.letter_id for letter in letters)]))

    def _with_group(self, call: Callable[[], _Reply]) -> _Reply:
        """Runs a call; the group is made first if the stream is new or was wiped."""
        with redis_failures_as_unavailable():
            try:
                return call()
            except ResponseError as error:
                if not str(error).startswith(("NOGROUP", "no such key", "ERR no such key")):
                    raise
            with suppress(ResponseError):  # BUSYGROUP: another process was faster
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            return call()


def _entry(item: tuple[bytes, dict[bytes, bytes]], deliveries: int) -> OutboxEntry:
    entry_id, fields = item
    only = fields.get(b"only")
    return OutboxEntry(
        entry_id=_text(entry_id),
        transaction_id=_text(fields.get(b"id", b"")),
        body=fields.get(b"event", b""),
        deliveries=deliveries,
        only=None if only is None else _text(only),
    )


def _milliseconds(entry_id: bytes | str) -> int:
    return int(_text(entry_id).split("-", 1)[0])


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
