"""`reconcile.run`: compares answered, stored and published transactions, and repairs missing ones."""

import logging
from collections.abc import Callable, Sequence

from ml.delivery.reconciliation import ReconciliationReport
from ml.domain.errors import StoreUnavailableError
from tasks.app import app
from tasks.clock import SHARED_CLOCK
from tasks.messaging.doorbells import send_doorbells
from tasks.services import require
from tasks.upkeep.completeness import CompletenessCheck, count_repairs

_log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles every sink; wired by the retrain worker.

    Args:
        sinks: one function per sink, and where scoring is sharded per sink and shard, from the moment before which
            answers are compared (epoch ms) to its report.
        grace_seconds: how old an unacknowledged answer must be to count as late: doorbell and fallback together
            start its drain within seconds.
    """

    def __init__(self, sinks: Sequence[Callable[[int], ReconciliationReport]], *, grace_seconds: float = 60.0) -> None:
        self._sinks = sinks
        self._grace_seconds = grace_seconds

    def run(self) -> list[ReconciliationReport]:
        """Returns a report per sink that could be asked; one that could not keeps no other from its turn."""
        before_ms = int((SHARED_CLOCK.now() - self._grace_seconds) * 1000)
        return [report for reconcile_sink in self._sinks if (report := _try(reconcile_sink, before_ms)) is not None]


def _try(reconcile_sink: Callable[[int], ReconciliationReport], before_ms: int) -> ReconciliationReport | None:
    try:
        return reconcile_sink(before_ms)
    except StoreUnavailableError as error:
        _log.error("not reconciled: %s", error)
        return None


@app.task(name="reconcile.run")
def run_reconciliation() -> None:
    """Compares and repairs; sends a doorbell to each drain whose stream got entries back."""
    for report in require(Reconciler).run():
        level = logging.ERROR if report.lost else logging.WARNING if report.overdue else logging.INFO
        _log.log(
            level,
            "reconciled",
            extra={
                "sink": report.sink,
                "shard": report.shard,
                "overdue": report.overdue,
                "held": report.held,
                "acknowledged": report.acknowledged,
                "repaired": report.repaired,
                "lost": report.lost,
            },
        )
        count_repairs(report)
        # A shard's own beat starts its drains within seconds; this process reaches its own broker alone.
        if report.repaired and report.shard is None:
            send_doorbells(report.sink)
    compared = require(CompletenessCheck).run()
    send_doorbells(*{report.sink for report in compared if report.repaired and report.shard is None})
