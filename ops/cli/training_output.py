"""The output of `python -m ops train`: stages while they run, then figures and the expected effect of thresholds."""

import time

import click

from ml.policy.thresholds import OperatingPoint, ThresholdPolicy
from ml.training.trained_model import TrainedModel
from ops.cli.progress import ProgressLine


class Stages:
    """Shows each stage's progress, then the time it took."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._started: dict[str, float] = {}

    def __call__(self, stage: str, share: float) -> None:
        """Takes a stage's name and the finished share of it, in [0, 1]."""
        started = self._started.setdefault(stage, time.perf_counter())
        if share < 1.0:
            self._line.show(f"{stage:<18} {share:4.0%}")
        else:
            self._line.finish(f"{stage:<18} {time.perf_counter() - started:5.1f} s")


def print_results(trained: TrainedModel) -> None:
    """Prints quality, thresholds and warnings of a model."""
    _print_quality(trained)
    _print_thresholds(trained)
    for warning in trained.record.get("warnings", ()):
        click.secho(f"Warning: {warning}", fg="yellow", err=True)


def _print_quality(trained: TrainedModel) -> None:
    measurement = trained.measurement
    fused = measurement.quality["score"]
    if measurement.slice == "calibration":
        click.echo("Measured on the calibration slice, which flatters: there are no evaluation days.")
    click.echo(f"\n{fused.rows:,} transactions measured, {fused.frauds:,} of them fraud.")
    click.echo(f"  {'':<12} {'AUC':>6} {'avg precision':>14} {'card precision@100':>19} {'Brier score':>12}")
    for name, quality in measurement.quality.items():
        label = "fused" if name == "score" else name
        click.echo(
            f"  {label:<12} {quality.auc:6.3f} {quality.average_precision:14.3f} "
            f"{quality.card_precision.value:19.3f} {quality.brier:12.5f}"
        )
    click.echo(f"  perfect scores would have card precision@100 {fused.card_precision.ceiling:.3f}")


def _print_thresholds(trained: TrainedModel) -> None:
    measurement, thresholds = trained.measurement, trained.thresholds
    click.echo(f"\n{_origin(trained.policy)}")
    click.echo(f"  review or decline from {_expected(measurement.review)}")
    click.echo(f"  decline           from {_expected(measurement.decline)}")
    if thresholds.review == thresholds.decline:
        click.echo("  Nothing is sent to review: at these thresholds every payment is approved or declined.")
    click.echo()


def _origin(policy: ThresholdPolicy) -> str:
    costs = (
        f"false positive {policy.cost_false_positive:g}, review {policy.cost_review:g}, "
        f"lost share of a missed fraud {policy.cost_fraud_fraction:g}"
    )
    if policy.reviews_per_day is None:
        return f"Thresholds of least expected cost ({costs}):"
    return f"Thresholds for {policy.reviews_per_day:g} payments a day to review, declining by cost ({costs}):"


def _expected(point: OperatingPoint) -> str:
    return (
        f"{point.threshold:.4f}: {point.alerts_per_day:.1f} payments a day expected, "
        f"precision {point.precision:.2f}, recall {point.recall:.2f}"
    )
