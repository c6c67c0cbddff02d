"""`python -m ops bench latency`: measures the paths side by side and writes table, ratios, JSON and pictures."""

from pathlib import Path

import click

from ops.proving.bench.report import json_option, require_folder, write_json
from ops.proving.guard import refuse_beside_production
from settings import load_settings

_ALL = ("shrike", "in_process", "perf_mode", "fastapi_two_hop", "celery_default")


@click.command()
@json_option
@click.option("--svg", "svg_file", type=click.Path(path_type=Path), help="Write the pictures here.")
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True, help="Rounds per path and kind.")
@click.option("--seconds", type=click.FloatRange(1, 60), default=6.0, show_default=True, help="Length of a round.")
@click.option(
    "--rate", "rates", type=click.FloatRange(1, 5000), multiple=True, help="Arrival rates; 100, 250 and 400 by default."
)
@click.option("--path", "paths", type=click.Choice(_ALL), multiple=True, help="Paths to measure; all by default.")
@click.option(
    "--batch-size",
    "batch_sizes",
    type=click.IntRange(1, 256),
    multiple=True,
    help="Also measure this INFER_BATCH_SIZE.",
)
@click.option("--connections", type=click.IntRange(1, 512), default=64, show_default=True, help="Open connections.")
@click.option("--score-workers", type=click.IntRange(1, 8), default=1, show_default=True, help="Scoring workers.")
def command(  # noqa: PLR0913, PLR0917 - click passes one argument per option
    json_file: Path | None,
    svg_file: Path | None,
    rounds: int,
    seconds: float,
    rates: tuple[float, ...],
    paths: tuple[str, ...],
    batch_sizes: tuple[int, ...],
    connections: int,
    score_workers: int,
) -> None:
    """Compare the scoring path with two usual ways to build it, doing the same work on this machine."""
    from ops.proving.bench.latency.run import run
    from ops.proving.bench.load.rounds import Plan

    refuse_beside_production("bench latency")
    require_folder(json_file, svg_file)
    report = run(
        load_settings(),
        Plan(rounds=rounds, rates=rates or (100.0, 250.0, 400.0), seconds=seconds, connections=connections),
        paths=paths or _ALL,
        score_workers=score_workers,
        batch_sizes=batch_sizes,
        svg=svg_file,
    )
    write_json(json_file, report)
