"""`python -m ops chaos`: breaks a running platform on purpose and counts what its clients lose."""

import json
import sys
from pathlib import Path

import click

from settings import load_settings


@click.command()
@click.option("--fault", "names", multiple=True, metavar="NAME", help="Fault to try; repeatable; all by default.")
@click.option("--runs", type=click.IntRange(1, 100), default=1, show_default=True, help="Trials of each fault.")
@click.option("--short", is_flag=True, help="Shorter outages, as continuous integration tries them.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of moments, victims and transactions.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the counts here.")
@click.option("--list", "lists", is_flag=True, help="List the faults and what is expected of each.")
def command(
    names: tuple[str, ...],
    runs: int,
    short: bool,  # noqa: FBT001 - click passes options by name
    seed: int,
    json_file: Path | None,
    lists: bool,  # noqa: FBT001
) -> None:
    """Try faults on a platform under steady traffic; the exit code is 1 if one costs more than it may."""
    from ops.chaos.catalogue import FAULTS

    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise click.UsageError(f"There is no fault {unknown[0]}; --list shows them.")
    if lists:
        for fault in FAULTS.values():
            click.echo(f"{fault.name:<30} {fault.expected}")
        return
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.ClickException(f"The folder of {json_file} does not exist.")
    from ops.chaos.report import as_json
    from ops.chaos.session import run_session

    chosen = [FAULTS[name] for name in names or FAULTS]
    results = run_session(load_settings(), chosen, runs=runs, seed=seed, is_short=short)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(results), indent=2) + "\n")
        click.echo(f"The counts are in {json_file}.")
    if any(trial.problems for trial in results.values()):
        sys.exit(1)
