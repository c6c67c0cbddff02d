"""`python -m ops train`: trains the hybrid model on a history file and registers it as a signed version."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from ml.datasets import load_transactions
from ml.errors import DataError
from ml.registry import Alias, ModelRegistry
from ml.release import release
from ml.runtime import ScoringModel
from ml.table import FRAUD, TransactionTable
from ml.thresholds import ThresholdPolicy
from ml.tracking import TrackingError, TrainingRun
from ml.tracking_mlflow import MlflowTracker
from ml.trained_model import TrainedModel
from ml.training import TrainingSettings, train
from ml.training_window import TrainingWindow
from ops.progress import ProgressLine
from security.artifact_keys import ArtifactSigner
from settings import Settings, load_settings

_REPORTS = ("metrics.json", "training.json", "thresholds.json")
_DEFAULTS = ThresholdPolicy()


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="History: a .parquet or .csv file.")
@click.option("--days", type=click.FloatRange(2, 3650), help="Days to learn from; default: TRAINING_WINDOW_DAYS.")
@click.option(
    "--end", help="Nothing from this moment (UTC) on is looked at, as 2026-03-01; default: the end of the data."
)
@click.option(
    "--evaluation-days",
    type=click.FloatRange(0, 365),
    default=7,
    show_default=True,
    help="Last days, kept apart to measure on; 0 learns up to the label delay before the end.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same data and seed give the same model.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of the gradient boosting; default: one per CPU.")
@click.option("--reviews-per-day", type=float, help="Payments a day that can be reviewed; sets the review threshold.")
@click.option("--cost-review", type=float, default=_DEFAULTS.cost_review, show_default=True, help="Cost of one review.")
@click.option(
    "--cost-false-positive",
    type=float,
    default=_DEFAULTS.cost_false_positive,
    show_default=True,
    help="Cost of declining a legitimate payment.",
)
@click.option(
    "--cost-fraud-fraction",
    type=float,
    default=_DEFAULTS.cost_fraud_fraction,
    show_default=True,
    help="Share of a missed fraud's amount that is lost.",
)
@click.option("--promote/--no-promote", default=True, show_default=True, help="Whether the version becomes champion.")
def command(  # noqa: PLR0913, PLR0917 - click passes one argument per option
    data: Path,
    days: float | None,
    end: str | None,
    evaluation_days: float,
    seed: int,
    threads: int | None,
    reviews_per_day: float | None,
    cost_review: float,
    cost_false_positive: float,
    cost_fraud_fraction: float,
    promote: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """Train the four components and their fusion, measure them, and register a signed version."""
    policy = ThresholdPolicy(
        cost_false_positive=cost_false_positive,
        cost_review=cost_review,
        cost_fraud_fraction=cost_fraud_fraction,
        reviews_per_day=reviews_per_day,
    )
    settings = load_settings()
    signer = ArtifactSigner.from_settings(settings)
    table = _load(data, settings)
    window = TrainingWindow.before(
        int(table.epoch_seconds[-1]) + 1 if end is None else _moment(end),
        days=settings.training_window_days if days is None else days,
        label_delay_days=settings.label_delay_days,
        evaluation_days=evaluation_days,
    )
    training = TrainingSettings(seed=seed, threads=threads or os.cpu_count() or 1, policy=policy)
    trained = train(table, window=window, settings=training, progress=_Stages())
    _print_quality(trained)
    registry = ModelRegistry(settings.models_path)
    model = release(trained.files(), registry=registry, signer=signer, metrics=trained.summary()).model
    if promote:
        registry.promote(model.version)
    _track(trained, model, registry, settings, role=Alias.CHAMPION if promote else Alias.CHALLENGER)
    state = "is champion" if promote else "is registered, not promoted"
    click.echo(f"Version {model.version} {state}: {registry.directory(model.version)}")


class _Stages:
    """Shows each stage's progress, then the time it took."""

    def __init__(self) -> None:
        self._line = ProgressLine()
        self._started: dict[str, float] = {}

    def __call__(self, stage: str, share: float) -> None:
        started = self._started.setdefault(stage, time.perf_counter())
        if share < 1.0:
            self._line.show(f"{stage:<18} {share:4.0%}")
        else:
            self._line.finish(f"{stage:<18} {time.perf_counter() - started:5.1f} s")


def _load(data: Path, settings: Settings) -> TransactionTable:
    dataset = load_transactions(data, label_delay_days=settings.label_delay_days)
    if dataset.duplicates:
        click.echo(f"{dataset.duplicates:,} rows repeat a transaction id and are left out.")
    table = dataset.table
    first, last = (datetime.fromtimestamp(int(table.epoch_seconds[row]), UTC) for row in (0, -1))
    frauds = int((table.is_fraud == FRAUD).sum())
    click.echo(f"{len(table):,} transactions from {first:%Y-%m-%d} to {last:%Y-%m-%d}, {frauds:,} known frauds.")
    return table


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"--end {text!r} is not a time such as 2026-03-01.") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _print_quality(trained: TrainedModel) -> None:
    measurement = trained.measurement
    fused = measurement.quality["score"]
    if measurement.slice == "calibration":
        click.echo("Measured on the calibration slice, which flatters: there are no evaluation days.")
    click.echo(f"\n{fused.rows:,} transactions measured, {fused.frauds:,} of them fraud.")
    click.echo(f"  {'':<12} {'AUC':>6} {'avg precision':>14} {'card precision@100':>19}")
    for name, quality in measurement.quality.items():
        cards = quality.card_precision
        label = "fused" if name == "score" else name
        click.echo(f"  {label:<12} {quality.auc:6.3f} {quality.average_precision:14.3f} {cards.value:19.3f}")
    click.echo(f"  perfect scores would have card precision@100 {fused.card_precision.ceiling:.3f}")
    for name, point in (("review", measurement.review), ("decline", measurement.decline)):
        click.echo(
            f"  {name} from {point.threshold:.4f}: {point.alerts_per_day:.1f} payments a day reach it, "
            f"precision {point.precision:.2f}, recall {point.recall:.2f}"
        )
    click.echo()


def _track(
    trained: TrainedModel, model: ScoringModel, registry: ModelRegistry, settings: Settings, *, role: Alias
) -> None:
    """Logs to MLflow; fails open, because the version is registered whether or not MLflow takes the run."""
    files = trained.files()
    run = TrainingRun(
        version=model.version,
        role=role,
        parameters=trained.record,
        metrics=trained.summary(),
        directory=registry.directory(model.version),
        reports={name: files[name] for name in _REPORTS},
    )
    tracker = MlflowTracker.from_settings(settings)
    state = registry.state()
    try:
        tracker.log(run)
        tracker.set_aliases(state.champion, state.challenger)
    except TrackingError as error:
        click.secho(f"The version is registered, but {error}", fg="yellow", err=True)
