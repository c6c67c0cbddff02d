"""`python -m ops bench scale`: stores of any size, more processes, memory over time."""

from pathlib import Path

import click

from ops.proving.bench.report import json_option, require_folder, write_json
from ops.proving.guard import refuse_beside_production
from settings import load_settings

_PARTS = ("customers", "processes", "memory")
_SIZES = (1_000, 100_000, 1_000_000)


@click.command()
@json_option
@click.option("--part", "parts", type=click.Choice(_PARTS), multiple=True, help="What to measure; all by default.")
@click.option(
    "--customers",
    type=click.IntRange(100, 2_000_000),
    multiple=True,
    help="Sizes of the store; 1,000, 100,000 and 1,000,000 by default, which take 3 GB.",
)
@click.option("--rounds", type=click.IntRange(1, 50), default=3, show_default=True, help="Rounds per path and kind.")
@click.option("--seconds", type=click.FloatRange(1, 60), default=4.0, show_default=True, help="Length of a round.")
@click.option(
    "--transactions",
    type=click.IntRange(20_000, 10_000_000),
    default=60_000,
    show_default=True,
    help="Transactions of the memory measurement.",
)
def command(
    json_file: Path | None,
    parts: tuple[str, ...],
    customers: tuple[int, ...],
    rounds: int,
    seconds: float,
    transactions: int,
) -> None:
    """Measure what a transaction costs as customers, processes and time grow."""
    from ops.proving.bench.load.medians import COMPARED_RATE
    from ops.proving.bench.load.rounds import Plan
    from ops.proving.bench.scale.run import run

    refuse_beside_production("bench scale")
    require_folder(json_file)
    if len(customers) > 4:
        raise click.ClickException("At most four sizes of the store fit beside each other.")
    report = run(
        load_settings(),
        Plan(rounds=rounds, rates=(COMPARED_RATE,), seconds=seconds),
        parts=parts or _PARTS,
        customers=customers or _SIZES,
        transactions=transactions,
    )
    write_json(json_file, report)
