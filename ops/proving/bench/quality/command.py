"""`python -m ops bench quality`: its options, and the order of the steps; `run` measures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.errors import OpsError
from ops.proving.bench.report import json_option, require_folder, write_json
from ops.proving.guard import refuse_beside_production

if TYPE_CHECKING:
    from ops.proving.bench.quality.plan import Plan
    from ops.proving.bench.quality.protocol.data import BenchmarkData

_SPANS = ("none", "first", "all")


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Transactions: a .parquet or .csv file.")
@click.option(
    "--folds",
    help="Folds by number or first training day, as 1,2 or 2018-07-25; default: all that the data cover.",
)
@click.option(
    "--validation",
    is_flag=True,
    help="Weeks before 2018-08-01 of the Handbook's data, to select a model on, instead of its test weeks.",
)
@click.option(
    "--days", type=click.FloatRange(7, 365), default=28, show_default=True, help="Days of our training window."
)
@click.option("--served", is_flag=True, help="Also replay the test weeks through the running platform.")
@click.option(
    "--baselines/--no-baselines",
    default=None,
    help="The Handbook's logistic regression and random forest; default: yes, with --validation no.",
)
@click.option("--ablation", type=click.Choice(_SPANS), help="On which folds; default: first, with --validation none.")
@click.option("--novelty", type=click.Choice(_SPANS), help="On which folds; default: first, with --validation none.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the hybrid's training.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of a training; default: one per CPU.")
@json_option
def command(  # noqa: PLR0913, PLR0917 - click passes one argument per option
    data: Path,
    folds: str | None,
    validation: bool,  # noqa: FBT001 - click passes options by name
    days: float,
    served: bool,  # noqa: FBT001
    baselines: bool | None,  # noqa: FBT001
    ablation: str | None,
    novelty: str | None,
    seed: int,
    threads: int | None,
    json_file: Path | None,
) -> None:
    """Measure the hybrid model under the Fraud Detection Handbook's protocol, beside the published figures.

    The ablation and the search for hidden fraud patterns train a model for each of their rows and run on the first
    fold alone unless they are asked for on all.
    """
    from ml.training.train import TrainingSettings
    from ops.proving.bench.quality.plan import Plan
    from ops.proving.bench.quality.protocol.data import BenchmarkData
    from ops.proving.bench.quality.protocol.folds import choose_folds
    from ops.proving.bench.quality.protocol.selection import candidate_folds

    refuse_beside_production("bench quality")
    require_folder(json_file)
    loaded = BenchmarkData.load(data)
    chosen = choose_folds(folds, candidate_folds(loaded, days=days, validation=validation), loaded.table, days=days)
    spans = {"none": (), "first": tuple(chosen[:1]), "all": tuple(chosen)}
    unasked = "none" if validation else "first"
    plan = Plan(
        folds=tuple(chosen),
        days=days,
        settings=TrainingSettings(seed=seed, threads=threads or os.cpu_count() or 1),
        baselines=not validation if baselines is None else baselines,
        ablation=spans[ablation or unasked],
        novelty=spans[novelty or unasked],
        served=served,
    )
    _measure(loaded, plan, json_file)


def _measure(data: "BenchmarkData", plan: "Plan", json_file: Path | None) -> None:
    from ops.proving.bench.quality.report.checks import SERVED_TOLERANCE, agrees, served_differences
    from ops.proving.bench.quality.report.document import document
    from ops.proving.bench.quality.report.text import to_text
    from ops.proving.bench.quality.run import run

    results = run(data.table, plan)
    click.echo(to_text(results, data))
    write_json(json_file, document(results, data))
    if results.served is not None and not agrees(served_differences(results.served, results.offline)):
        raise OpsError(f"The served figures differ from the offline ones by more than {SERVED_TOLERANCE}.")
