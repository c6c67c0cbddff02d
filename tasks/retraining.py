"""`retraining.run` and `drift.check`: the long tasks, one at a time."""

import logging
from collections.abc import Callable

from ml.training.drift_check import DriftReport
from ml.training.retraining import Retraining
from observability import metrics
from tasks.app import app
from tasks.services import require
from tasks.upkeep.slots_redis import SlotKeeper

_log = logging.getLogger(__name__)


class DriftCheck:
    """The drift check as the retrain worker wires it."""

    def __init__(self, check: Callable[[], DriftReport]) -> None:
        self.run = check


@app.task(name="retraining.run")
def run_retraining() -> None:
    """Trains a challenger and promotes it if it is better."""
    if not require(SlotKeeper).take("retraining"):
        _log.info("retraining skipped: this slot has had its run")
        return
    report = require(Retraining).run()
    _log.info(
        "retraining ended",
        extra={
            "outcome": report.outcome,
            "reason": report.reason,
            "model_version": report.version,
            "champion": report.champion,
            "challenger_figures": dict(report.challenger_figures),
            "champion_figures": dict(report.champion_figures),
            "tracking_error": report.tracking_error,
            "seconds": report.seconds,
        },
    )


@app.task(name="drift.check")
def check_drift() -> None:
    """Compares recent decisions with the reference of the model that made them."""
    report = require(DriftCheck).run()
    if report.score is None:
        _log.info("drift not checked", extra={"model_version": report.model_version, "reason": report.skipped})
        return
    metrics.psi_score.set(report.score)
    for feature, index in report.features.items():
        metrics.psi_feature.labels(feature=feature).set(index)
    if report.drifted:
        metrics.drift_alerts_total.labels(kind="feature").inc(len(report.drifted))
    if report.is_score_drifted:
        metrics.drift_alerts_total.labels(kind="score").inc()
    _log.log(
        logging.WARNING if report.drifted or report.is_score_drifted else logging.INFO,
        "drift checked",
        extra={
            "model_version": report.model_version,
            "rows": report.rows,
            "psi_score": report.score,
            "drifted": list(report.drifted),
        },
    )
