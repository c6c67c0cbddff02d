"""One reconciliation from the command line: as the scheduled one, over a chosen window, shown as a table."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from ml.delivery.completeness import CompletenessReport, Window
from ml.delivery.reconciliation import ReconciliationReport
from settings import Settings
from tasks.wiring.connections import Connections
from tasks.wiring.reconciliation import reconciled_sinks, sink_checks
from tasks.wiring.stores import explanation_store

NOTHING_MISSING, REPAIRED, LOST = 0, 3, 4
_GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What was found for one sink of one outbox.

    Attributes:
        sink: `explain` (MongoDB) or `publish` (Kafka), after its shard's name if there are shards.
        answered: transactions answered in the window.
        present: of these, those that the sink holds.
        waiting: of these, those that it has not acknowledged yet.
        overdue: entries of any age that have waited longer than a minute; dead letters included.
        unverifiable: acknowledged, and possibly dropped by a Kafka topic's retention since.
        repaired: put back into the outbox.
        lost: neither in the sink nor recorded any more.
    """

    sink: str
    answered: int
    present: int
    waiting: int
    overdue: int
    unverifiable: int
    repaired: int
    lost: int


def reconcile_now(settings: Settings, *, minutes: int | None = None) -> list[SinkReport]:
    """Compares and repairs, sink by sink.

    Args:
        settings: of the platform.
        minutes: how far back; by default as the scheduled comparison.

    Raises:
        StoreUnavailableError: a server cannot be reached; what was repaired so far stays so.
    """
    window = Window.before(time.time(), minutes=minutes or settings.reconcile_window_minutes)
    before_ms = int((time.time() - _GRACE_SECONDS) * 1000)
    connections = Connections(settings)
    stored = explanation_store(connections).existing
    overdue = [run(before_ms) for run in reconciled_sinks(connections, stored=stored)]
    compared = [check.run(window) for check in sink_checks(connections)]
    return [_together(*pair) for pair in zip(overdue, compared, strict=True)]


def _together(overdue: ReconciliationReport, compared: CompletenessReport) -> SinkReport:
    return SinkReport(
        sink=compared.sink if compared.shard is None else f"{compared.shard}/{compared.sink}",
        answered=compared.answered,
        present=compared.present,
        waiting=compared.awaiting,
        overdue=overdue.overdue,
        unverifiable=compared.unverifiable,
        repaired=overdue.repaired + compared.repaired,
        lost=overdue.lost + compared.lost,
    )


def table(reports: Sequence[SinkReport]) -> Iterator[str]:
    """Yields the lines of a table."""
    names = [field.name for field in fields(SinkReport)]
    rows = [names, *([str(getattr(report, name)) for name in names] for report in reports)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(names))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells)


def exit_code(reports: Sequence[SinkReport]) -> int:
    """Returns the exit code: LOST, REPAIRED or NOTHING_MISSING."""
    if any(report.lost for report in reports):
        return LOST
    return REPAIRED if any(report.repaired for report in reports) else NOTHING_MISSING
