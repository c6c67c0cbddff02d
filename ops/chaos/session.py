"""One run of the suite at a terminal: a platform is started, the faults are tried in turn, the table grows."""

from collections.abc import Sequence

import click

from ops.chaos.evidence import gathering
from ops.chaos.fault import Fault, Trial
from ops.chaos.report import details, header, row
from ops.chaos.run import run_fault
from ops.chaos.stack import chaos_stack
from ops.demo.training import prepare
from ops.progress import ProgressLine
from settings import Settings, load_settings


def run_session(
    settings: Settings, faults: Sequence[Fault], *, runs: int, seed: int, is_short: bool
) -> dict[str, Trial]:
    """Returns the counts of each fault.

    Raises:
        ops.errors.OpsError: the platform did not start.
    """
    prepare(settings)
    settings = load_settings()
    progress = ProgressLine()
    results: dict[str, Trial] = {}
    with chaos_stack(
        settings,
        settings.var_dir / "chaos",
        on_ready=lambda ready, total: progress.show(f"{len(ready)} of {total} processes are ready"),
    ) as stack:
        progress.finish()
        click.echo(header())
        with gathering(stack.settings) as evidence:
            for fault in faults:
                trial = run_fault(stack, evidence, fault, runs=runs, seed=seed, is_short=is_short)
                results[fault.name] = trial
                click.secho(row(fault.name, trial), fg="red" if trial.problems else None)
                for line in details(fault, trial):
                    click.secho(line, dim=True)
    return results
