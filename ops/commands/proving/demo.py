"""`python -m ops demo`: catches fraud on this machine, from nothing, and shows the outcome of every transaction."""

import sys
import time
from pathlib import Path

import click

from ops.proving.guard import refuse_beside_production
from settings import load_settings


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), help="Your transactions, .parquet or .csv; simulated by default."
)
@click.option(
    "--transactions", type=click.IntRange(100, 100_000), default=2_000, show_default=True, help="How many are scored."
)
@click.option("--rate", type=click.FloatRange(1, 5_000), default=100.0, show_default=True, help="Requests per second.")
@click.option(
    "--setup-started", type=float, default=time.time, help="Epoch seconds at which the set-up began.", hidden=True
)
def command(data: Path | None, transactions: int, rate: float, setup_started: float) -> None:
    """Make keys, train, start the whole stack, score transactions, and check that each was stored and published."""
    refuse_beside_production("demo")
    from ops.proving.demo.run import Demo

    settings = load_settings()
    if settings.perf_mode:
        raise click.ClickException(
            "The demo shows what is stored and published, and PERF_MODE keeps nothing; switch it off."
        )
    report = Demo(settings, file=data, transactions=transactions, rate=rate, started_at=setup_started).run()
    sys.exit(0 if report.is_success else 1)
