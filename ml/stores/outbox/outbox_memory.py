"""A stream with consumer groups in memory, for tests and tools of one process."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ml.stores.outbox.outbox import DeadLetter, Lag, OutboxEntry, retry_wait_seconds


class MemoryStream:
    """Entries in order of arrival, shared by the groups that read it.

    Attributes:
        entries: by entry id.
        groups: the groups by name.
        awaiting: by group, when each unacknowledged transaction entered the stream, epoch milliseconds.
        dead: by group, the dead letters by letter id.
        doorbells: the groups that a doorbell was sent to and that have not read since.
    """

    def __init__(self) -> None:
        self.entries: dict[str, OutboxEntry] = {}
        self.groups: dict[str, MemoryOutbox] = {}
        self.awaiting: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.dead: defaultdict[str, dict[str, DeadLetter]] = defaultdict(dict)
        self.doorbells: set[str] = set()
        self._next_id = 1

    def add(self, transaction_id: str, body: bytes, *, only: str | None = None) -> str:
        """Appends an entry, which its groups must acknowledge, and returns its id."""
        now_ms = time.time_ns() // 1_000_000
        entry_id = f"{now_ms}-{self._next_id}"
        self._next_id += 1
        self.entries[entry_id] = OutboxEntry(entry_id, transaction_id, body, deliveries=0, only=only)
        for group in self.groups if only is None else (only,):
            self.awaiting[group][transaction_id] = now_ms
        return entry_id


class MemoryOutbox:
    """One group's view of a MemoryStream, with a single consumer.

    Args:
        stream: shared by all groups.
        group: the name of this one.
        retry_seconds: how long an entry waits after its first delivery that failed.
        clock: seconds.
    """

    def __init__(
        self,
        stream: MemoryStream,
        group: str,
        *,
        retry_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._group = group
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._seen: set[str] = set()
        self._pending: dict[str, tuple[int, float]] = {}
        self._dead = stream.dead[group]
        stream.groups[group] = self

    def read_pending(self, count: int) -> list[OutboxEntry]:
        """See `Outbox.read_pending`."""
        due = [entry_id for entry_id in self._pending if self._is_due(entry_id)]
        return [self._hand_out(entry_id) for entry_id in due[:count]]

    def _is_due(self, entry_id: str) -> bool:
        deliveries, since = self._pending[entry_id]
        return self._clock() - since >= retry_wait_seconds(deliveries, self._retry_seconds)

    def read_new(self, count: int) -> list[OutboxEntry]:
        """See `Outbox.read_new`."""
        unseen = [entry_id for entry_id in self._stream.entries if entry_id not in self._seen][:count]
        self._seen.update(unseen)
        self._count(unseen, 0)
        return [self._hand_out(entry_id) for entry_id in unseen]

    def _hand_out(self, entry_id: str) -> OutboxEntry:
        return replace(self._stream.entries[entry_id], deliveries=self._pending[entry_id][0])

    def _count(self, entry_ids: Iterable[str], deliveries: int) -> None:
        self._pending.update(dict.fromkeys(entry_ids, (deliveries, self._clock())))

    def acknowledge(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.acknowledge`."""
        self.pass_over(entries)
        for entry in entries:
            self._stream.awaiting[self._group].pop(entry.transaction_id, None)

    def pass_over(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.pass_over`."""
        for entry in entries:
            self._pending.pop(entry.entry_id, None)

    def begin(self, entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
        """See `Outbox.begin`."""
        owed = [entry for entry in entries if entry.entry_id in self._pending]
        begun = [replace(entry, deliveries=entry.deliveries + 1) for entry in owed]
        for entry in begun:
            self._count([entry.entry_id], entry.deliveries)
        return begun

    def release(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.release`."""
        for entry in entries:
            self._count([entry.entry_id], entry.deliveries - 1)

    def defer(self, entries: Sequence[OutboxEntry]) -> None:
        """See `Outbox.defer`."""
        for entry in entries:  # behind the other pending ones
            self._pending.pop(entry.entry_id, None)
        self.release(entries)

    def bury(self, entry: OutboxEntry, reason: str) -> None:
        """See `Outbox.bury`."""
        letter_id = f"{len(self._dead) + 1}-0"
        self._dead[letter_id] = DeadLetter(letter_id, entry.entry_id, entry.transaction_id, entry.body, reason)
        self._pending.pop(entry.entry_id, None)

    def lag(self) -> Lag:
        """See `Outbox.lag`."""
        waiting = [
            entry_id for entry_id in self._stream.entries if entry_id in self._pending or entry_id not in self._seen
        ]
        oldest_ms = min((int(entry_id.split("-")[0]) for entry_id in waiting), default=None)
        age = 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)
        return Lag(entries=len(waiting), oldest_seconds=age, dead_letters=len(self._dead))

    def clear_doorbell(self) -> None:
        """See `Outbox.clear_doorbell`."""
        self._stream.doorbells.discard(self._group)

    def trim(self) -> int:
        """See `Outbox.trim`."""
        done = [
            entry_id
            for entry_id in self._stream.entries
            if all(
                entry_id in group._seen and entry_id not in group._pending  # noqa: SLF001 - groups of one stream
                for group in self._stream.groups.values()
            )
        ]
        for entry_id in done:
            del self._stream.entries[entry_id]
        return len(done)

    def dead_letters(self, count: int) -> list[DeadLetter]:
        """See `Outbox.dead_letters`."""
        return list(self._dead.values())[:count]

    def redrive(self, letters: Sequence[DeadLetter]) -> int:
        """See `Outbox.redrive`."""
        present = [letter for letter in letters if self._dead.pop(letter.letter_id, None)]
        for letter in present:
            self._stream.add(letter.transaction_id, letter.body, only=self._group)
        return len(present)
