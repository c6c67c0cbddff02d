"""`python -m ops chaos`: breaks a running platform on purpose and counts the losses of its clients."""

import json
import re
import sys
from pathlib import Path

import click

from ops.proving.guard import refuse_beside_production
from settings import load_settings

_UNITS = {"s": 1, "m": 60, "h": 3600}


@click.command()
@click.option("--fault", "names", multiple=True, metavar="NAME", help="Fault to try; repeatable; all by default.")
@click.option("--runs", type=click.IntRange(1, 100), default=1, show_default=True, help="Trials of each fault.")
@click.option("--short", is_flag=True, help="Shorter outages, as continuous integration tries them.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of moments, victims and transactions.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the counts here.")
@click.option("--soak", metavar="TIME", help="One long run with random faults instead: 90s, 30m, 8h.")
@click.option("--calm", is_flag=True, help="A soak without faults: whether a process grows at this rate.")
@click.option("--rate", type=click.FloatRange(1, 1000), default=20.0, show_default=True, help="Arrivals of a soak.")
@click.option("--list", "lists", is_flag=True, help="List the faults and what is expected of each.")
def command(  # noqa: PLR0913, PLR0917 - click passes one argument per option
    names: tuple[str, ...],
    runs: int,
    short: bool,  # noqa: FBT001 - click passes options by name
    seed: int,
    json_file: Path | None,
    soak: str | None,
    calm: bool,  # noqa: FBT001
    rate: float,
    lists: bool,  # noqa: FBT001
) -> None:
    """Try faults on a platform under steady traffic; the exit code is 1 if one costs more than it may."""
    from ops.proving.chaos.catalogue import FAULTS

    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise click.UsageError(f"There is no fault {unknown[0]}; --list shows them.")
    if lists:
        for fault in FAULTS.values():
            click.echo(f"{fault.name:<30} {fault.expected}")
        return
    soak_seconds = None if soak is None else _seconds(soak)
    if soak is not None and names:
        raise click.UsageError("A soak chooses its faults by itself; give --soak or --fault.")
    if calm and soak is None:
        raise click.UsageError("--calm belongs to a soak: say how long, such as --soak 30m.")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.ClickException(f"The folder of {json_file} does not exist.")
    refuse_beside_production("chaos")
    from ops.proving.chaos.report import as_json
    from ops.proving.chaos.session import run_session, run_soak_session

    if soak_seconds is not None:
        report = run_soak_session(load_settings(), seconds=soak_seconds, rate=rate, seed=seed, is_calm=calm)
        content, trials = report.as_json(), [report.trial]
    else:
        chosen = [FAULTS[name] for name in names or FAULTS]
        results = run_session(load_settings(), chosen, runs=runs, seed=seed, is_short=short)
        content, trials = as_json(results), list(results.values())
    if json_file is not None:
        json_file.write_text(json.dumps(content, indent=2) + "\n")
        click.echo(f"The counts are in {json_file}.")
    if not all(trial.is_as_expected for trial in trials):
        sys.exit(1)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smh])", text)
    if match is None:
        raise click.BadParameter(f"{text} is no time; say 90s, 30m or 8h.", param_hint="--soak")
    return int(match[1]) * _UNITS[match[2]]
