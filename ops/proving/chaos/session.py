"""The suite at a terminal: a platform is started, the faults are tried in turn, the table grows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from ops.cli.progress import ProgressLine
from ops.first_model.training import proving_settings
from ops.proving.chaos.evidence.sinks import Evidence, gathering
from ops.proving.chaos.fault import Fault, Trial
from ops.proving.chaos.platform.stack import ChaosStack, chaos_stack
from ops.proving.chaos.report import details, growth_row, header, row
from ops.proving.chaos.run import run_fault
from ops.proving.chaos.soak import ENVIRONMENT, SOAK, SoakReport, run_soak
from ops.proving.place import reserved
from ops.stack.start import readiness
from settings import Settings

_SOAK_DISK_MEGABYTES = 2048


def run_session(
    settings: Settings, faults: Sequence[Fault], *, runs: int, seed: int, is_short: bool
) -> dict[str, Trial]:
    """Returns the counts of each fault.

    Raises:
        ops.errors.OpsError: the platform did not start.
    """
    results: dict[str, Trial] = {}
    with _platform(settings) as (stack, evidence):
        click.echo(header())
        for fault in faults:
            trial = run_fault(stack, evidence, fault, runs=runs, seed=seed, is_short=is_short)
            results[fault.name] = trial
            _show(fault, trial)
    return results


def run_soak_session(settings: Settings, *, seconds: float, rate: float, seed: int, is_calm: bool) -> SoakReport:
    """Returns the account of a long run.

    Raises:
        ops.errors.OpsError: the platform did not start.
    """

    def say(text: str) -> None:
        click.echo(f"{datetime.now(UTC):%H:%M:%S} {text}")

    with _platform(settings, ENVIRONMENT, disk_megabytes=_SOAK_DISK_MEGABYTES) as (stack, evidence):
        report = run_soak(stack, evidence, seconds=seconds, rate=rate, seed=seed, is_calm=is_calm, on_event=say)
    click.echo(header())
    _show(SOAK, report.trial)
    for growth in report.growths:
        click.secho(growth_row(growth), fg=None if growth.is_flat else "red")
    before, after = report.redis_connections
    click.echo(f"connections to Redis: {before} at the beginning, {after} at the end of the last third")
    return report


@contextmanager
def _platform(
    settings: Settings, changes: Mapping[str, str] | None = None, *, disk_megabytes: int = 1024
) -> Iterator[tuple[ChaosStack, Evidence]]:
    settings = proving_settings(settings)
    progress = ProgressLine()
    folder = settings.var_dir / "chaos"
    with (
        reserved(folder),
        chaos_stack(
            settings,
            folder,
            on_ready=lambda ready, awaited: progress.show(readiness(ready, awaited)),
            settings_changes=changes,
            disk_megabytes=disk_megabytes,
        ) as stack,
    ):
        progress.finish()
        with gathering(stack.settings) as evidence:
            yield stack, evidence


def _show(fault: Fault, trial: Trial) -> None:
    click.secho(row(fault.name, trial), fg=None if trial.is_as_expected else "red")
    for line in details(fault, trial):
        click.secho(line, dim=True)
