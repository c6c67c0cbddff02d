"""Compares the answered transactions with what each sink holds; shows the result in metrics and log."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from ml.delivery.completeness import CompletenessReport, SinkCheck, Window
from ml.delivery.sinks import SINK_NAMES
from ml.domain.errors import StoreUnavailableError
from observability import metrics
from tasks.clock import SHARED_CLOCK

_log = logging.getLogger(__name__)


class Repairs(Protocol):
    """The part that all reports of a repair share."""

    @property
    def sink(self) -> str:
        """`explain` or `publish`."""
        ...

    @property
    def repaired(self) -> int:
        """How many were put back into the stream."""
        ...

    @property
    def lost(self) -> int:
        """How many could not be."""
        ...


class CompletenessCheck:
    """Compares every sink; the scheduled reconciliation runs it. The command line runs each `SinkCheck` itself.

    Args:
        checks: of the sinks.
        minutes: how far back a run looks, in whole minutes that are over.
    """

    def __init__(self, checks: Sequence[SinkCheck], *, minutes: int) -> None:
        self._checks = checks
        self._minutes = minutes

    def run(self) -> list[CompletenessReport]:
        """Returns a report per sink that could be asked; one that could not keeps no other from its turn."""
        window = Window.before(SHARED_CLOCK.now(), minutes=self._minutes)
        reports = []
        for check in self._checks:
            try:
                report = check.run(window)
            except StoreUnavailableError as error:
                where = check.sink if check.shard is None else f"{check.sink} of shard {check.shard}"
                _log.error("%s was not compared with what was answered: %s", where, error)
                continue
            metrics.reconciliation_compared_total.labels(sink=SINK_NAMES[check.sink]).inc(report.answered)
            count_repairs(report)
            level = logging.ERROR if report.lost else logging.WARNING if report.repaired else logging.INFO
            _log.log(level, "compared with what was answered", extra=asdict(report))
            reports.append(report)
        return reports


def count_repairs(report: Repairs) -> None:
    """Counts the repaired and lost transactions of a report."""
    metrics.reconciliation_repaired_total.labels(sink=SINK_NAMES[report.sink]).inc(report.repaired)
    metrics.reconciliation_lost_total.labels(sink=SINK_NAMES[report.sink]).inc(report.lost)
