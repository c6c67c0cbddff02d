"""`python -m ops simulate`: writes simulated transactions with fraud to a Parquet file."""

from datetime import datetime
from pathlib import Path

import click
import numpy as np

from ml.data.datasets import write_transactions
from ml.data.simulator import simulate
from ml.data.table import FRAUD


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
@click.option("--customers", type=click.IntRange(1, 1_000_000), default=2_000, show_default=True)
@click.option("--terminals", type=click.IntRange(1, 1_000_000), default=4_000, show_default=True)
@click.option("--days", type=click.IntRange(1, 3_650), default=90, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same file.")
@click.option(
    "--start", type=click.DateTime(["%Y-%m-%d"]), default="2026-01-01", show_default=True, help="First day, UTC."
)
@click.option("--label-delay-days", type=click.FloatRange(0, 365), default=7.0, show_default=True)
def command(
    out: Path, customers: int, terminals: int, days: int, seed: int, start: datetime, label_delay_days: float
) -> None:
    """Simulate card payments of customers at terminals, with three patterns of fraud."""
    if not out.parent.is_dir():
        raise click.ClickException(f"The folder {out.parent} does not exist.")
    table = simulate(
        customers=customers,
        terminals=terminals,
        days=days,
        seed=seed,
        start=start.date(),
        label_delay_days=label_delay_days,
    )
    write_transactions(table, out)
    frauds = int(np.count_nonzero(table.is_fraud == FRAUD))
    click.echo(f"{out}: {len(table):,} transactions over {days} days, {frauds:,} of them fraud.")
