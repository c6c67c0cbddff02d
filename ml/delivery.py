"""Delivery from a stream to a sink: read, write, and only then acknowledge."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ml.errors import RetryableError
from ml.stores.outbox import Outbox, OutboxEntry

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
        linger_seconds: how long to wait for more entries when a read came back short.
        max_deliveries: deliveries after which a refused entry becomes a dead letter.
        budget_seconds: when to stop and ring again, so that a drain task stays short.
    """

    batch_rows: int
    linger_seconds: float
    max_deliveries: int
    budget_seconds: float = 5.0


@dataclass(slots=True)
class DeliveryReport:
    """What a drain did. `unavailable` holds the reason if the sink could not be reached.

    `has_more` is true if the budget ended the drain before the stream was empty.
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
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> DeliveryReport:
    """Delivers until the stream is empty, the budget is spent or the sink is unavailable.

    An unavailable sink never counts against an entry: the delivery is taken back and a later drain repeats it.

    Raises:
        StoreUnavailableError: the stream's server cannot be reached.
    """
    report = DeliveryReport()
    outbox.silence()  # first, so that a commit from now on rings again
    deadline = clock() + rules.budget_seconds
    entries = outbox.read_pending(rules.batch_rows)
    while True:
        if not entries:
            entries = _read_batch(outbox, rules, sleep)
        if not entries:
            break
        if not _deliver(outbox, sink, group, entries, rules, report):
            break
        entries = []
        if clock() >= deadline:
            report.has_more = True
            break
    outbox.trim()
    return report


def _read_batch(outbox: Outbox, rules: DeliveryRules, sleep: Callable[[float], None]) -> list[OutboxEntry]:
    """Reads a batch; a short one waits once for company, since a write costs the same for one entry as for many."""
    entries = outbox.read_new(rules.batch_rows)
    if entries and len(entries) < rules.batch_rows and rules.linger_seconds > 0:
        sleep(rules.linger_seconds)
        entries += outbox.read_new(rules.batch_rows - len(entries))
    return entries


def _deliver(
    outbox: Outbox,
    sink: Sink,
    group: str,
    entries: Sequence[OutboxEntry],
    rules: DeliveryRules,
    report: DeliveryReport,
) -> bool:
    """Writes what was read and acknowledges it; returns False if the sink is unavailable."""
    foreign = [entry for entry in entries if entry.only not in {None, group}]
    mine = [entry for entry in entries if entry.only in {None, group}]
    outbox.acknowledge(foreign)
    for entry in mine:
        if entry.deliveries > rules.max_deliveries:
            outbox.bury(entry, f"its worker died in {entry.deliveries - 1} deliveries")
            report.buried += 1
    tried = [entry for entry in mine if entry.deliveries <= rules.max_deliveries]
    suspects = [entry for entry in tried if entry.deliveries > _SUSPECT_DELIVERIES]
    together = [entry for entry in tried if entry.deliveries <= _SUSPECT_DELIVERIES]
    if together and not _write(outbox, sink, together, rules, report):
        outbox.release(suspects)
        return False
    # One entry that kills its worker must not take its neighbours to the dead letters: each suspect is charged for
    # its own attempt only.
    outbox.release(suspects)
    for suspect in suspects:
        outbox.charge(suspect)
        if not _write(outbox, sink, [suspect], rules, report):
            return False
    return True


def _write(
    outbox: Outbox, sink: Sink, entries: Sequence[OutboxEntry], rules: DeliveryRules, report: DeliveryReport
) -> bool:
    started = time.perf_counter()
    try:
        refusals = sink.write(entries)
    except RetryableError as error:
        outbox.release(entries)
        report.unavailable = str(error)
        return False
    report.write_seconds.append(time.perf_counter() - started)
    refused = {refusal.entry.entry_id for refusal in refusals}
    outbox.acknowledge([entry for entry in entries if entry.entry_id not in refused])
    report.delivered += len(entries) - len(refused)
    report.refused += len(refused)
    for refusal in refusals:
        if refusal.entry.deliveries >= rules.max_deliveries:
            outbox.bury(refusal.entry, refusal.reason)
            report.buried += 1
    return True
