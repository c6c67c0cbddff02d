"""Delivery from a stream to a sink: read, write, and only then acknowledge."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ml.domain.errors import RetryableError
from ml.stores.outbox.outbox import Outbox, OutboxEntry
from ml.stores.refused import Refused

_SUSPECT_DELIVERIES = 2
"""An entry delivered so often without an end is delivered alone."""

_UNSEALED_BATCHES = 4
"""So many batches more are read while no seal holds: a stranger's entries must not hide those behind them for hours."""

_ALONE = 20
"""So many entries of writes that failed as a whole are written alone before the sink counts as unavailable."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that the sink did not take, and why.

    Attributes:
        entry: it is delivered again, and given up after a bound.
        reason: the sink's own words.
        is_certain: whether the entry itself is known to be at fault. Otherwise it counts against the entry only if the
            sink takes another one in the same drain: a sink that refuses everybody is unavailable.
        is_deferred: whether only a part of the sink is unavailable, on which this entry depends: it is delivered again
            as often as that takes.
        is_seal: whether its seal did not hold, which the sink never saw.
    """

    entry: OutboxEntry
    reason: str
    is_certain: bool = True
    is_deferred: bool = False
    is_seal: bool = False

    @classmethod
    def of(cls, entry: OutboxEntry, refused: Refused) -> "Refusal":
        """Returns the refusal of an entry whose record or event a store refused."""
        return cls(entry, refused.reason, is_certain=refused.is_certain, is_deferred=refused.is_deferred)


class Sink(Protocol):
    """Where entries are delivered to. Writing an entry twice must have the effect of writing it once."""

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        """Writes entries durably; returns those it refused.

        Raises:
            RetryableError: the sink is unavailable; nothing or only a part was written. Any other exception is a
                refusal of all entries, for a reason that may be the fault of one.
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
    """The result of a drain. `unavailable` holds the reason if the sink could not be reached or refused everything.

    `deferred_for` says what the deferred entries wait for.
    `has_more` is true if the budget or a shutdown ended the drain before the stream was empty.
    """

    delivered: int = 0
    refused: int = 0
    buried: int = 0
    deferred: int = 0
    deferred_for: str | None = None
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
    deadline, looks = clock() + rules.budget_seconds, 0
    try:
        goes_on = delivery.deliver(outbox.read_pending(rules.batch_rows))
        while goes_on and not (delivery.has_begun and (is_stopping() or clock() >= deadline)):
            # One new entry is enough to tell a sink that refuses everybody from entries that are at fault.
            looks = looks + 1 if delivery.is_in_doubt else 0
            entries = outbox.read_new(1) if delivery.doubts_the_sink else _read_batch(outbox, rules, sleep)
            if not entries:
                break
            most_looks = 1 if delivery.doubts_the_sink else _UNSEALED_BATCHES
            goes_on = delivery.deliver(entries) and not (looks >= most_looks and delivery.is_in_doubt)
        else:
            delivery.report.has_more = goes_on
        delivery.try_alone()
    finally:
        delivery.settle()
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
    """The writing half of one drain.

    Attributes:
        has_begun: whether it was given any entry.
    """

    outbox: Outbox
    sink: Sink
    group: str
    rules: DeliveryRules
    report: DeliveryReport = field(default_factory=DeliveryReport)
    has_begun: bool = False
    _doubts: list[Refusal] = field(default_factory=list)
    _failed_together: list[OutboxEntry] = field(default_factory=list)

    @property
    def doubts_the_sink(self) -> bool:
        """Whether the sink refused something and has taken nothing; a seal that does not hold is no doubt of it."""
        return self.is_in_doubt and not all(doubt.is_seal for doubt in self._doubts)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the sink refused entries that may not be at fault, and has taken none so far."""
        return bool(self._doubts) and not self.report.delivered

    def deliver(self, entries: Sequence[OutboxEntry]) -> bool:
        """Writes entries and acknowledges them; returns False if the sink is unavailable."""
        self.has_begun = self.has_begun or bool(entries)
        self.outbox.pass_over([entry for entry in entries if entry.only not in {None, self.group}])
        mine = [entry for entry in entries if entry.only in {None, self.group}]
        for entry in mine:
            if entry.deliveries >= self.rules.max_deliveries:
                self._bury(entry, f"its worker died in {entry.deliveries} deliveries")
        # One entry that kills its worker must not take its neighbours to the dead letters: each suspect is written
        # alone, and counted only when its turn comes.
        suspects = [entry for entry in mine if _SUSPECT_DELIVERIES <= entry.deliveries < self.rules.max_deliveries]
        parts = _parts([entry for entry in mine if entry.deliveries < _SUSPECT_DELIVERIES], self.rules.batch_bytes)
        return all(self._write(part) for part in [*parts, *([suspect] for suspect in suspects)])

    def _write(self, entries: Sequence[OutboxEntry]) -> bool:
        begun = self.outbox.begin(entries)
        return self._attempt(begun) if begun else True

    def _attempt(self, begun: Sequence[OutboxEntry]) -> bool:
        started = time.perf_counter()
        try:
            refusals = self.sink.write(begun)
        except RetryableError as error:
            self.outbox.release(begun)
            self.report.unavailable = str(error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever one entry causes, the others must flow
            _log.exception("a write failed unexpectedly", extra={"sink": self.group, "entries": len(begun)})
            refusals = [Refusal(entry, f"{type(error).__name__}: {error}"[:500], is_certain=False) for entry in begun]
            self._failed_together += begun if len(begun) > 1 else []
        self.report.write_seconds.append(time.perf_counter() - started)
        refused = {refusal.entry.entry_id for refusal in refusals}
        self.outbox.acknowledge([entry for entry in begun if entry.entry_id not in refused])
        self.report.delivered += len(begun) - len(refused)
        deferred = [refusal for refusal in refusals if refusal.is_deferred]
        if deferred:
            self.outbox.defer([refusal.entry for refusal in deferred])
            self.report.deferred += len(deferred)
            self.report.deferred_for = deferred[0].reason
            refusals = [refusal for refusal in refusals if not refusal.is_deferred]
        self._convict([refusal for refusal in refusals if refusal.is_certain])
        self._doubts += [refusal for refusal in refusals if not refusal.is_certain]
        return True

    def try_alone(self) -> None:
        """Writes entries alone that failed together, if nothing else has shown yet that the sink takes any."""
        if not self.is_in_doubt or self.report.unavailable is not None:
            return
        alone = self._failed_together[:_ALONE]
        again = {entry.entry_id for entry in alone}
        self._doubts = [doubt for doubt in self._doubts if doubt.entry.entry_id not in again]
        for place, entry in enumerate(alone):
            if not self._attempt([entry]):
                self.outbox.release(alone[place + 1 :])
                return

    def settle(self) -> None:
        """Decides the refusals in doubt: the entries' fault if the sink took another one, else its own."""
        doubts, self._doubts = self._doubts, []
        if self.report.delivered:
            self._convict(doubts)
        elif doubts:
            self.outbox.release([refusal.entry for refusal in doubts])
            self.report.unavailable = f"it takes nothing: {doubts[0].reason}"

    def _convict(self, refusals: Sequence[Refusal]) -> None:
        self.report.refused += len(refusals)
        for refusal in refusals:
            if refusal.entry.deliveries >= self.rules.max_deliveries:
                self._bury(refusal.entry, refusal.reason)

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
