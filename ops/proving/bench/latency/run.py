"""Runs the latency benchmark from data to report."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ml.domain.durations import DAY_SECONDS
from ops.cli.progress import ProgressLine
from ops.cli.steps import say
from ops.proving.bench.latency.paths import FASTAPI_TWO_HOP, SHRIKE, title_of
from ops.proving.bench.latency.peers import require_packages
from ops.proving.bench.latency.picture import draw
from ops.proving.bench.latency.same_scores import check_same_scores
from ops.proving.bench.latency.start import running
from ops.proving.bench.latency.summary import TARGETS, changed_settings, changed_settings_table, ratios, table
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.medians import medians_by_process
from ops.proving.bench.load.requests import Signer, TransactionSupply
from ops.proving.bench.load.rounds import Plan, Round, run_rounds
from ops.proving.bench.platform.own_stack import own_stack
from ops.proving.bench.report import target_table, targets_document
from settings import Settings

_WARM_UP = Plan(rounds=1, rates=(50.0,), seconds=2.0)


def run(
    settings: Settings,
    plan: Plan,
    *,
    paths: Sequence[str],
    score_workers: int,
    batch_sizes: Sequence[int],
    svg: Path | None,
) -> dict[str, Any]:
    """Measures the paths, prints the tables, and returns the report.

    Args:
        settings: keys, model, and where everything is written.
        plan: how much is measured.
        paths: the paths by name.
        score_workers: scoring workers of the stack.
        batch_sizes: values of INFER_BATCH_SIZE, each measured as a path of its own.
        svg: where the pictures go; None draws none.

    Raises:
        OpsError: a path did not start, or answered wrongly.
    """
    if FASTAPI_TWO_HOP in paths:
        require_packages()
    # The platform as it is shows its own size.
    sizes = [size for size in dict.fromkeys(batch_sizes) if size != settings.infer_batch_size]
    with own_stack(settings, "latency", score_workers=score_workers) as stack:
        say("Paths: " + ", ".join(paths))
        with running(paths, stack, batch_sizes=sizes) as contenders:
            supply = stack.supply()
            say("Warm-up, and the same scores from every path")
            _measure(contenders, supply, stack.signer, _WARM_UP)
            check_same_scores(contenders, stack.signer, moment=stack.days.live_start + DAY_SECONDS // 2)
            say(f"{plan.rounds} interleaved rounds")
            measured = _measure(contenders, supply, stack.signer, plan)
    names = [contender.name for contender in contenders]
    report = _report(measured, names)
    if svg is not None:
        draw(measured, svg)
        click.echo(f"The pictures are in {svg}.")
    more = {"score_workers": score_workers, "infer_batch_size": settings.infer_batch_size}
    return {"plan": asdict(plan) | more, **report}


def _measure(contenders: Sequence[Contender], supply: TransactionSupply, signer: Signer, plan: Plan) -> list[Round]:
    progress = ProgressLine()
    measured = run_rounds(
        contenders,
        supply,
        signer,
        plan,
        batched=next((item for item in contenders if item.name == SHRIKE), None),
        progress=lambda text, share: progress.show(f"{share:4.0%} {text}"),
    )
    progress.finish(f"{len(measured)} measurements")
    return measured


def _report(measured: Sequence[Round], names: Sequence[str]) -> dict[str, Any]:
    """Prints the tables and returns what they show."""
    values, changed = ratios(measured), changed_settings(measured)
    by_process = {name: medians_by_process(measured, name) for name in names}
    click.echo("\n" + table(measured))
    click.echo("\nCPU ms per decision at saturation, by process")
    for name, parts in by_process.items():
        shown = ", ".join(f"{part} {value:.2f}" for part, value in sorted(parts.items(), key=lambda item: -item[1]))
        click.echo(f"  {title_of(name)}: {shown}")
    click.echo("\nRatios of medians\n" + target_table(values, TARGETS))
    if changed:
        click.echo("\nWith one setting changed, divided by the platform as it is\n" + changed_settings_table(changed))
    return {
        "ratios": values,
        "fast_paths": changed,
        "targets": targets_document(values, TARGETS),
        "cpu_ms_by_process": by_process,
        "rounds": [item.document() for item in measured],
    }
