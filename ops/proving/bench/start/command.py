"""`python -m ops bench start`: times process starts, and a change of model under load."""

import json
from pathlib import Path

import click

from settings import load_settings


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every measurement here.")
@click.option("--starts", type=click.IntRange(1, 50), default=5, show_default=True, help="Starts per kind of process.")
@click.option("--swaps", type=click.IntRange(0, 20), default=3, show_default=True, help="Changes of model under load.")
@click.option("--rate", type=click.FloatRange(1, 5000), default=250.0, show_default=True, help="Requests per second.")
@click.option("--seconds", type=click.FloatRange(2, 60), default=5.0, show_default=True, help="Length of a window.")
def command(json_file: Path | None, starts: int, swaps: int, rate: float, seconds: float) -> None:
    """Time the start of a scoring worker and of the API, and swap models under load."""
    from ops.proving.bench.start.run import run

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise click.ClickException(f"The folder of {json_file} does not exist.")
    report = run(load_settings(), starts=starts, swaps=swaps, rate=rate, seconds=seconds)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
        click.echo(f"Every measurement is in {json_file}.")
