"""`python -m ops train`: trains the hybrid model on a history file and registers it as a signed version."""

import math
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from ml.data.datasets import Dataset, load_transactions
from ml.data.table import FRAUD, LEGITIMATE, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError
from ml.policy.thresholds import ThresholdPolicy
from ml.registry.registry import Alias, ModelRegistry
from ml.registry.release import ServableVersion, release
from ml.training.report import render_report
from ml.training.tracking import REPORT_FILES, REPORT_NAME, TrackingError, TrainingRun
from ml.training.tracking_mlflow import MlflowTracker
from ml.training.train import TrainingSettings, train
from ml.training.trained_model import TrainedModel
from ml.training.window import TrainingWindow
from ops.cli.reason import REASON
from ops.cli.training_output import Stages, print_results
from ops.stack.addresses import registry_settings
from ops.stack.promotion import Promotion
from security.artifacts.artifact_keys import accepted_signer
from security.names import as_line
from settings import Settings

_DEFAULTS = ThresholdPolicy()
_HIGHEST_COST = 1e9  # the highest amount of a transaction


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="History: a .parquet or .csv file.")
@click.option("--days", type=click.FloatRange(2, 3650), help="Days to learn from; default: TRAINING_WINDOW_DAYS.")
@click.option("--end", help="Nothing from this moment (UTC) on is used, as 2026-03-01; default: the end of the data.")
@click.option(
    "--evaluation-days",
    type=click.FloatRange(0, 365),
    default=7,
    show_default=True,
    help="Last days, kept apart to measure on; 0 learns up to the label delay before the end.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same data and seed give the same model.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of the gradient boosting; default: one per CPU.")
@click.option(
    "--reviews-per-day",
    type=float,
    help="Payments a day that can be reviewed; sets the review threshold in place of the costs, which still set "
    "where to decline.",
)
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
@click.option(
    "--promote/--no-promote",
    default=None,
    help="Whether the version becomes champion.  [default: only the first of a registry does]",
)
@click.option(
    "--reason",
    type=REASON,
    default="",
    help="Why it is promoted; it goes into the audit.  [default: names the file]",
)
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
    promote: bool | None,  # noqa: FBT001 - click passes options by name
    reason: str,
) -> None:
    """Train the four components and their fusion, measure them, and register a signed version with its report.

    A champion that is there stays, unless --promote is given; the audit says who replaced it and why.
    """
    for option, value in (("--days", days), ("--evaluation-days", evaluation_days)):
        if value is not None and math.isnan(value):
            raise DataError(f"{option} nan is not a number of days.")
    policy = _policy(
        reviews_per_day=reviews_per_day,
        cost_review=cost_review,
        cost_false_positive=cost_false_positive,
        cost_fraud_fraction=cost_fraud_fraction,
    )
    settings = registry_settings()
    # Before minutes are spent on training.
    signer = accepted_signer(settings)
    promotion = _promotion(settings, promote)
    dataset = _load(data, settings)
    window = TrainingWindow.before(
        _end(data, dataset.table, end),
        days=settings.training_window_days if days is None else days,
        label_delay_days=settings.label_delay_days,
        evaluation_days=evaluation_days,
    )
    _check_capacity(policy, dataset.table, window)
    progress = Stages()
    training = TrainingSettings(seed=seed, threads=threads or os.cpu_count() or 1, policy=policy)
    trained = _train(data, dataset, window, training, progress)
    progress("report", 0.0)
    files = trained.files() | {REPORT_NAME: render_report(trained)}
    progress("report", 1.0)
    print_results(trained)
    registry = ModelRegistry(settings.models_path)
    released = release(files, registry=registry, signer=signer, metrics=trained.summary())
    version = released.model.version
    note = promotion.make(version, reason=reason or as_line(f"trained on {data.name}")) if promotion else ""
    _track(trained, released, registry, settings, role=Alias.CHAMPION if promotion else Alias.CHALLENGER)
    if promotion:
        click.echo(f"Version {version} is champion: {registry.directory(version)}")
        if note:
            click.secho(note, fg="yellow", err=True)
    else:
        click.echo(f"Version {version} is registered, not promoted: {registry.directory(version)}")
        click.echo(f"`python -m ops models promote {version} --reason TEXT` makes it the champion.")
    _write_report(settings.var_dir / "reports" / f"{version}.html", files[REPORT_NAME])


def _promotion(settings: Settings, promote: bool | None) -> Promotion | None:  # noqa: FBT001 - the option, as given
    """Returns what promotes the version; None if it is not to be promoted."""
    if promote is None:
        promote = ModelRegistry(settings.models_path).champion() is None
    return Promotion.look(settings) if promote else None


def _policy(*, reviews_per_day: float | None, **costs: float) -> ThresholdPolicy:
    """Returns the policy; says which option is out of range, if one is."""
    for name, value in {"reviews_per_day": reviews_per_day, **costs}.items():
        if value is not None and not (math.isfinite(value) and 0 < value <= _HIGHEST_COST):
            option = "--" + name.replace("_", "-")
            raise DataError(f"{option} {value:g} is not a number above 0 and up to {_HIGHEST_COST:,.0f}.")
    return ThresholdPolicy(reviews_per_day=reviews_per_day, **costs)


def _load(data: Path, settings: Settings) -> Dataset:
    dataset = load_transactions(data, label_delay_days=settings.label_delay_days)
    table = dataset.table
    first, last = (datetime.fromtimestamp(int(table.epoch_seconds[row]), UTC) for row in (0, -1))
    frauds, legitimate = (int((table.is_fraud == label).sum()) for label in (FRAUD, LEGITIMATE))
    click.echo(f"{len(table):,} transactions from {first:%Y-%m-%d} to {last:%Y-%m-%d}, {frauds:,} labelled as fraud.")
    if dataset.duplicates:
        click.echo(f"{dataset.duplicates:,} rows repeat a transaction id and are left out.")
    if dataset.out_of_order:
        click.echo(f"{dataset.out_of_order:,} rows stand after a later payment and are sorted in.")
    if not frauds and not legitimate:
        raise DataError(
            f"{data}: no row has a label; is_fraud must say which payments were fraud (1) and which not (0)."
        )
    if not frauds:
        raise DataError(f"{data}: no row is labelled as fraud, so there is nothing to learn.")
    if not legitimate:
        raise DataError(f"{data}: every labelled row is fraud, so there are no legitimate payments to compare with.")
    return dataset


def _end(data: Path, table: TransactionTable, text: str | None) -> int:
    """Returns the end of the data that may be used, epoch seconds."""
    last = int(table.epoch_seconds[-1])
    if text is None:
        return last + 1
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"--end {text!r} is not a time such as 2026-03-01.") from error
    end = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    # The day of the last transaction may be named as a whole.
    if not int(table.epoch_seconds[0]) < end <= last + DAY_SECONDS:
        first_day, last_day = (
            datetime.fromtimestamp(int(table.epoch_seconds[row]), UTC).strftime("%Y-%m-%d") for row in (0, -1)
        )
        raise DataError(f"--end {text} lies outside {data}, which goes from {first_day} to {last_day}.")
    return end


def _check_capacity(policy: ThresholdPolicy, table: TransactionTable, window: TrainingWindow) -> None:
    """Refuses a review capacity that would take every payment, before minutes are spent on training."""
    days = (window.end - window.calibration_start) / DAY_SECONDS
    payments = len(table.between(window.calibration_start, window.end)) / days
    if policy.reviews_per_day is not None and 0 < payments <= policy.reviews_per_day:
        raise DataError(
            f"--reviews-per-day {policy.reviews_per_day:g} takes every payment: there are about {payments:,.0f} a day."
        )


def _train(
    data: Path, dataset: Dataset, window: TrainingWindow, settings: TrainingSettings, progress: Stages
) -> TrainedModel:
    """Trains, and notes the file in the record."""
    try:
        trained = train(dataset.table, window=window, settings=settings, progress=progress)
    except DataError as error:
        raise DataError(f"{data}: {error}") from error
    source = {
        "file": data.name,
        "rows": len(dataset.table),
        "repeated_ids": dataset.duplicates,
        "out_of_order": dataset.out_of_order,
    }
    return replace(trained, record={**trained.record, "data": source})


def _track(
    trained: TrainedModel, released: ServableVersion, registry: ModelRegistry, settings: Settings, *, role: Alias
) -> None:
    """Logs to MLflow; fails open, because the version is registered whether or not MLflow takes the run."""
    version = released.model.version
    run = TrainingRun(
        version=version,
        role=role,
        parameters=trained.record,
        metrics=trained.summary(),
        directory=registry.directory(version),
        reports={name: released.files[name] for name in REPORT_FILES},
    )
    tracker = MlflowTracker.from_settings(settings)
    state = registry.state()
    try:
        tracker.log(run)
        tracker.set_aliases(state.champion, state.challenger)
    except TrackingError as error:
        click.secho(f"The version is registered, but {error}", fg="yellow", err=True)


def _write_report(path: Path, report: bytes) -> None:
    """Writes a readable copy: in the version's directory the report is encrypted as every file there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(report)
    except OSError as error:
        click.secho(
            f"The version holds its report, but {path} cannot be written: {error.strerror}.", fg="yellow", err=True
        )
    else:
        click.echo(f"Report: {path}")
