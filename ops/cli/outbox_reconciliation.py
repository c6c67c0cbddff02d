"""One reconciliation from the command line: as the scheduled one, over a chosen window, shown as a table."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from ml.delivery.completeness import CompletenessReport, Window
from ml.delivery.reconciliation import ReconciliationReport
from ml.domain.errors import StoreUnavailableError
from ops.cli.outbox_lags import group_name, reason_of
from settings import Settings
from tasks.wiring.connections import Connections
from tasks.wiring.reconciliation import reconciled_sinks, sink_checks
from tasks.wiring.stores import explanation_store

NOTHING_MISSING, UNCOMPARED, REPAIRED, LOST = 0, 1, 3, 4
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


@dataclass(frozen=True, slots=True)
class UncomparedSink:
    """A sink of an outbox that could not be compared, since a server did not answer; `unavailable` says which."""

    sink: str
    unavailable: str


def reconcile_now(settings: Settings, *, minutes: int | None = None) -> tuple[list[SinkReport], list[UncomparedSink]]:
    """Compares and repairs, sink by sink; returns also the sinks that could not be compared.

    Args:
        settings: of the platform.
        minutes: how far back; by default as the scheduled comparison.

    Raises:
        StoreUnavailableError: no sink could be compared.
    """
    window = Window.before(time.time(), minutes=minutes or settings.reconcile_window_minutes)
    before_ms = int((time.time() - _GRACE_SECONDS) * 1000)
    connections = Connections(settings)
    stored = explanation_store(connections).existing
    reports: list[SinkReport] = []
    uncompared: list[UncomparedSink] = []
    failures: list[StoreUnavailableError] = []
    for run, check in zip(reconciled_sinks(connections, stored=stored), sink_checks(connections), strict=True):
        try:
            reports.append(_together(run(before_ms), check.run(window)))
        except StoreUnavailableError as error:
            failures.append(error)
            uncompared.append(UncomparedSink(group_name(check.shard, check.sink), reason_of(check.shard, error)))
    if failures and not reports:
        raise failures[0]
    return reports, uncompared


def _together(overdue: ReconciliationReport, compared: CompletenessReport) -> SinkReport:
    return SinkReport(
        sink=group_name(compared.shard, compared.sink),
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


def exit_code(reports: Sequence[SinkReport], uncompared: Sequence[UncomparedSink]) -> int:
    """Returns the exit code: LOST, UNCOMPARED, REPAIRED or NOTHING_MISSING, the worst of all sinks."""
    if any(report.lost for report in reports):
        return LOST
    if uncompared:
        return UNCOMPARED
    return REPAIRED if any(report.repaired for report in reports) else NOTHING_MISSING
