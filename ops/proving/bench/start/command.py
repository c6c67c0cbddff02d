"""`python -m ops bench start`: times process starts, and a change of model under load."""

from pathlib import Path

import click

from ops.proving.bench.report import json_option, require_folder, write_json
from ops.proving.guard import refuse_beside_production
from settings import load_settings


@click.command()
@json_option
@click.option("--starts", type=click.IntRange(1, 50), default=5, show_default=True, help="Starts per kind of process.")
@click.option("--swaps", type=click.IntRange(0, 20), default=3, show_default=True, help="Changes of model under load.")
@click.option("--rate", type=click.FloatRange(1, 5000), default=250.0, show_default=True, help="Requests per second.")
@click.option("--seconds", type=click.FloatRange(2, 60), default=5.0, show_default=True, help="Length of a window.")
def command(json_file: Path | None, starts: int, swaps: int, rate: float, seconds: float) -> None:
    """Time the start of a scoring worker and of the API, and swap models under load."""
    from ops.proving.bench.start.run import run

    refuse_beside_production("bench start")
    require_folder(json_file)
    report = run(load_settings(), starts=starts, swaps=swaps, rate=rate, seconds=seconds)
    write_json(json_file, report)
