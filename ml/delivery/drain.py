"""Delivery from a stream to a sink: read, write, and only then acknowledge."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ml.domain.errors import RetryableError
from ml.stores.outbox.outbox import Outbox, OutboxEntry

_SUSPECT_DELIVERIES = 2
"""An entry delivered more often than this without an end is delivered alone."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that the sink will not take, and why. It is delivered again, and given up after a bound."""

    entry: OutboxEntry
    reason: str


class Sink(Protocol):
    """Where entries are delivered to. Writing an entry twice must have the effect of writing it once."""

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        """Writes entries durably; returns those it refused.

        Raises:
            RetryableError: the sink is unavailable; nothing or only a part was written.
        """
        ...


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The bounds of a drain.

    Attributes:
        batch_rows: most entries per write.
        batch_bytes: most bytes of entries per write; a single larger entry is written alone.
        linger_seconds: how long to wait for more entries when a read came back short.
        max_deliveries: deliveries after which a refused entry becomes a dead letter.
        budget_seconds: when to stop and send a new doorbell, so that a drain task stays short.
    """

    batch_rows: int
    batch_bytes: int
    linger_seconds: float
    max_deliveries: int
    budget_seconds: float = 5.0


@dataclass(slots=True)
class DeliveryReport:
    """The result of a drain. `unavailable` holds the reason if the sink could not be reached.

    `has_more` is true if the budget or a shutdown ended the drain before the stream was empty.
    """

    delivered: int = 0
    refused: int = 0
    buried: int = 0
    write_seconds: list[float] = field(default_factory=list)
    has_more: bool = False
    unavailable: str | None = None


def drain(
    outbox: Outbox,
    sink: Sink,
    group: str,
    *,
    rules: DeliveryRules,
    is_stopping: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> DeliveryReport:
    """Delivers until the stream is empty, the budget is spent, the process stops or the sink is unavailable.

    Every entry that was read is finished: written and acknowledged, or given back. An unavailable sink never counts
    against an entry: the delivery is taken back and a later drain repeats it.

    Raises:
        StoreUnavailableError: the stream's server cannot be reached.
    """
    delivery = _Delivery(outbox, sink, group, rules)
    outbox.clear_doorbell()  # first, so that a commit from now on sends a new doorbell
    deadline = clock() + rules.budget_seconds
    entries = outbox.read_pending(rules.batch_rows)
    while entries := entries or _read_batch(outbox, rules, sleep):
        if not delivery.deliver(entries):
            break
        entries = []
        if is_stopping() or clock() >= deadline:
            delivery.report.has_more = True
            break
    outbox.trim()
    return delivery.report


def _read_batch(outbox: Outbox, rules: DeliveryRules, sleep: Callable[[float], None]) -> list[OutboxEntry]:
    """Reads a batch; a short one waits once for more, since a write costs the same for one entry as for many."""
    entries = outbox.read_new(rules.batch_rows)
    is_short = len(entries) < rules.batch_rows and sum(len(entry.body) for entry in entries) < rules.batch_bytes
    if entries and is_short and rules.linger_seconds > 0:
        sleep(rules.linger_seconds)
        entries += outbox.read_new(rules.batch_rows - len(entries))
    return entries


@dataclass(slots=True)
class _Delivery:
    """The writing half of one drain."""

    outbox: Outbox
    sink: Sink
    group: str
    rules: DeliveryRules
    report: DeliveryReport = field(default_factory=DeliveryReport)

    def deliver(self, entries: Sequence[OutboxEntry]) -> bool:
        """Writes entries and acknowledges them; returns False if the sink is unavailable."""
        self.outbox.acknowledge([entry for entry in entries if entry.only not in {None, self.group}])
        mine = [entry for entry in entries if entry.only in {None, self.group}]
        for entry in mine:
            if entry.deliveries > self.rules.max_deliveries:
                self._bury(entry, f"its worker died in {entry.deliveries - 1} deliveries")
        tried = [entry for entry in mine if entry.deliveries <= self.rules.max_deliveries]
        # One entry that kills its worker must not take its neighbours to the dead letters: each suspect is charged for
        # its own attempt only. So all are given back until their turn comes.
        suspects = [entry for entry in tried if entry.deliveries > _SUSPECT_DELIVERIES]
        parts = _parts([entry for entry in tried if entry.deliveries <= _SUSPECT_DELIVERIES], self.rules.batch_bytes)
        self.outbox.release(suspects)
        return self._write_parts(parts) and all(self._write_alone(suspect) for suspect in suspects)

    def _write_parts(self, parts: Sequence[Sequence[OutboxEntry]]) -> bool:
        for place, part in enumerate(parts):
            if not self._write(part):
                self.outbox.release([entry for later in parts[place + 1 :] for entry in later])
                return False
        return True

    def _write_alone(self, suspect: OutboxEntry) -> bool:
        self.outbox.charge(suspect)
        return self._write([suspect])

    def _write(self, entries: Sequence[OutboxEntry]) -> bool:
        started = time.perf_counter()
        try:
            refusals = self.sink.write(entries)
        except RetryableError as error:
            self.outbox.release(entries)
            self.report.unavailable = str(error)
            return False
        self.report.write_seconds.append(time.perf_counter() - started)
        refused = {refusal.entry.entry_id for refusal in refusals}
        self.outbox.acknowledge([entry for entry in entries if entry.entry_id not in refused])
        self.report.delivered += len(entries) - len(refused)
        self.report.refused += len(refused)
        for refusal in refusals:
            if refusal.entry.deliveries >= self.rules.max_deliveries:
                self._bury(refusal.entry, refusal.reason)
        return True

    def _bury(self, entry: OutboxEntry, reason: str) -> None:
        self.outbox.bury(entry, reason)
        self.report.buried += 1


def _parts(entries: Sequence[OutboxEntry], most_bytes: int) -> list[list[OutboxEntry]]:
    """Cuts entries, in order, into parts of at most so many bytes; a larger entry is a part of its own."""
    parts: list[list[OutboxEntry]] = []
    size = 0
    for entry in entries:
        if not parts or size + len(entry.body) > most_bytes:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += len(entry.body)
    return parts
