"""Consumer groups on Redis streams. Keys: see `ml.stores.outbox.keys_redis`."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import redis
from redis.exceptions import ResponseError

from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.keys_redis import awaiting_key, dead_letter_key, doorbell_key
from ml.stores.outbox.outbox import DeadLetter, Lag, OutboxEntry, retry_wait_seconds
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.scripts_redis import script_source

_PAGE_ENTRIES = 500
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
        retry_seconds: how long an entry waits after its first delivery that failed, see `retry_wait_seconds`.

    Redis counts an entry's first reading as a delivery. Here only writes count, so its number is one more than
    `OutboxEntry.deliveries`.
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
        retry_seconds: float = 0.0,
    ) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._stream = stream
        self._group = group
        self._groups = tuple(groups)
        self._consumer = consumer
        self._claim_idle_ms = claim_idle_ms
        self._retry_seconds = retry_seconds
        self._uncounted: dict[str, int] = {}
        self._start = "-"
        self._page_end: str | None = None
        self._acknowledge = client.register_script(script_source("outbox", "acknowledge"))
        self._redrive = client.register_script(script_source("outbox", "redrive"))
        self._trim = client.register_script(script_source("outbox", "trim"))

    def read_pending(self, count: int) -> list[OutboxEntry]:
        """See `Outbox.read_pending`."""
        return self._with_group(lambda: self._claim(count))

    def _claim(self, count: int) -> list[OutboxEntry]:
        own, abandoned = self._own_page(count), dict(islice(self._due("-", idle=self._claim_idle_ms), count))
        # Neither those that a dead worker left nor one's own, deferred again and again, keep the others waiting.
        own = dict(islice(own.items(), count - min(len(abandoned), count // 2)))
        abandoned = dict(islice(abandoned.items(), count - len(own)))
        self._page_end = _text(next(reversed(own))) if len(own) + len(abandoned) == count and own else None
        entries: list[OutboxEntry] = []
        for found, idle_ms in ((own, 0), (abandoned, self._claim_idle_ms)):
            by_deliveries = defaultdict(list)
            for entry_id, deliveries in found.items():
                by_deliveries[deliveries].append(entry_id)
            for deliveries, ids in by_deliveries.items():
                # With the number of deliveries given, claiming counts for none: the reply may be lost.
                claimed = self._client.xclaim(
                    self._stream, self._group, self._consumer, idle_ms, ids, retrycount=deliveries + 1
                )
                entries += [_entry(item, deliveries) for item in claimed if item[1]]
        return sorted({entry.entry_id: entry for entry in entries}.values(), key=lambda entry: _order(entry.entry_id))

    def _own_page(self, count: int) -> dict[bytes, int]:
        """Returns own entries: from behind the page that was deferred on, and then from the oldest on."""
        start, self._start = self._start, "-"
        own = dict(islice(self._due(start, consumername=self._consumer), count))
        if start != "-":
            own |= islice(self._due("-", consumername=self._consumer), count - len(own))
        return own

    def _due(self, start: str, **criteria: Any) -> Iterator[tuple[bytes, int]]:
        """Yields the ids and deliveries of pending entries whose wait is over, from an id on, oldest first."""
        while page := self._client.xpending_range(
            self._stream, self._group, min=start, max="+", count=_PAGE_ENTRIES, **criteria
        ):
            for item in page:
                deliveries = self._uncounted.get(_text(item["message_id"]), max(0, item["times_delivered"] - 1))
                if item["time_since_delivered"] >= 1000 * retry_wait_seconds(deliveries, self._retry_seconds):
                    yield item["message_id"], deliveries
            start = f"({_text(page[-1]['message_id'])}"

    def read_new(self, count: int) -> list[OutboxEntry]:
        """See `Outbox.read_new`."""
        reply = self._with_group(
            lambda: self._client.xreadgroup(self._group, self._consumer, {self._stream: ">"}, count=count)
        )
        items = reply.items() if isinstance(reply, dict) else reply
        entries = chain.from_iterable(batch for _, batch in items or ())
        return [_entry(item, 0) for item in entries]

    def acknowledge(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.acknowledge`."""
        # The sink has them: if this fails, the delivery that found no end here still blames none of them.
        with self._without_blame(entries):
            self._take_off([(entry, b"") for entry in entries], "")

    def pass_over(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.pass_over`."""
        if entries:
            with redis_failures_as_unavailable():
                self._client.xack(self._stream, self._group, *(entry.entry_id for entry in entries))

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

    def begin(self, entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
        """See `Outbox.begin`."""
        begun = [replace(entry, deliveries=entry.deliveries + 1) for entry in entries]
        with self._without_blame(begun):
            owed = self._count_deliveries(begun)
        for entry in begun:
            self._uncounted.pop(entry.entry_id, None)
        return [entry for entry in begun if entry.entry_id in owed]

    def release(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.release`."""
        with self._without_blame(entries):
            self._count_deliveries([replace(entry, deliveries=entry.deliveries - 1) for entry in entries])

    def defer(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.defer`."""
        self.release(entries)
        end = self._page_end
        if end is not None and any(_order(entry.entry_id) <= _order(end) for entry in entries):
            self._start = f"({end}"

    def _count_deliveries(self, entries: Sequence[OutboxEntry]) -> set[str]:
        """Sets the number of deliveries of each entry, and returns the ids of those that are still pending."""
        by_deliveries = defaultdict(list)
        for entry in entries:
            by_deliveries[entry.deliveries].append(entry.entry_id)
        return {
            _text(entry_id)
            for deliveries, ids in by_deliveries.items()
            for entry_id in self._with_group(partial(self._set_deliveries, ids, deliveries))
        }

    def _set_deliveries(self, ids: Sequence[str], deliveries: int) -> list[bytes]:
        claimed: list[bytes] = self._client.xclaim(
            self._stream, self._group, self._consumer, 0, list(ids), retrycount=deliveries + 1, justid=True
        )
        return claimed

    @contextmanager
    def _without_blame(self, entries: Sequence[OutboxEntry]) -> Iterator[None]:
        """Remembers, if Redis fails, that the last delivery of these entries counts against none of them.

        Redis may have counted it, and its reply was lost; or it cannot be told that the delivery had an end.
        """
        try:
            yield
        except StoreUnavailableError:
            self._uncounted.update({entry.entry_id: entry.deliveries - 1 for entry in entries})
            raise

    def lag(self) -> Lag:
        """See `Outbox.lag`; it changes nothing, so that a process may look that must not write here."""
        with redis_failures_as_unavailable():
            try:
                return self._measure_lag()
            except ResponseError as error:
                if not _is_without_group(error):
                    raise
                return self._lag_without_group()

    def _lag_without_group(self) -> Lag:
        """Returns the lag of a group that has read nothing yet: the whole stream."""
        first = self._client.xrange(self._stream, count=1)
        return Lag(
            entries=self._client.xlen(self._stream),
            oldest_seconds=self._age_seconds(_milliseconds(first[0][0])) if first else 0.0,
            dead_letters=self._client.xlen(dead_letter_key(self._group)),
        )

    def _age_seconds(self, moment_ms: int) -> float:
        seconds, microseconds = self._client.time()
        return float(max(0.0, seconds + microseconds / 1_000_000 - moment_ms / 1000))

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
        return Lag(
            entries=summary["pending"] + unread,
            oldest_seconds=self._age_seconds(min(oldest)) if oldest else 0.0,
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
                entry_id=_text(fields.get(b"entry_id", b"")),
                transaction_id=_text(fields.get(b"id", b"")),
                body=fields.get(b"event", b""),
                reason=_text(fields.get(b"reason", b"")),
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
                if not _is_without_group(error):
                    raise
            with suppress(ResponseError):  # BUSYGROUP: another process was faster
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            return call()


def _is_without_group(error: ResponseError) -> bool:
    """Returns whether the group is missing: the stream is new or was wiped."""
    return str(error).startswith(("NOGROUP", "no such key", "ERR no such key"))


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


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, sequence = entry_id.split("-", 1)
    return int(milliseconds), int(sequence)


def _milliseconds(entry_id: bytes | str) -> int:
    return int(_text(entry_id).split("-", 1)[0])


def _text(value: bytes | str) -> str:
    """Returns a text of Redis; what is no UTF-8 was not written by us, and the entry's seal refuses it later."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
