"""Runs the latency benchmark from data to report."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ml.domain.durations import DAY_SECONDS
from ops.first_model.source import Days, Source, load, moment
from ops.first_model.training import prepare
from ops.proving.bench.latency.paths import SHRIKE, Contender
from ops.proving.bench.latency.peers import running
from ops.proving.bench.latency.picture import draw
from ops.proving.bench.latency.same_scores import check_same_scores
from ops.proving.bench.latency.summary import (
    TARGETS,
    cpu_by_process,
    fast_path_table,
    fast_paths,
    is_met,
    ratio_table,
    ratios,
    table,
)
from ops.proving.bench.load.requests import SUBJECT, Signer, TransactionSupply
from ops.proving.bench.load.rounds import Plan, run_rounds
from ops.proving.bench.report import describe_machine
from ops.stack.preconditions import ensure_keys
from ops.terminal.progress import ProgressLine
from ops.terminal.steps import say
from security.keys import check_secret
from security.roles import Role
from security.tokens.tokens import issue_token
from settings import Settings

_WARM_UP = Plan(rounds=1, rates=(50.0,), seconds=2.0)
_TOKEN_SECONDS = 7200


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
    say("Keys, history and model")
    settings = ensure_keys(settings, click.echo)
    prepare(settings)
    source = Source.of(settings, None)
    history = load(source, settings)
    days = Days.of(history)
    transactions = days.live_rows(history, len(history)).to_transactions()
    supply = TransactionSupply(list(transactions), span_seconds=(days.data_end - days.live_start))
    folder = settings.var_dir / "bench" / "latency"
    shutil.rmtree(folder, ignore_errors=True)
    say("Paths: " + ", ".join(paths))
    with running(
        paths,
        settings,
        folder=folder,
        history=source.file,
        until=moment(days.live_start),
        score_workers=score_workers,
        # The platform as it is shows its own size.
        batch_sizes=[size for size in dict.fromkeys(batch_sizes) if size != settings.infer_batch_size],
    ) as contenders:
        signer = Signer(
            issue_token(settings, subject=SUBJECT, roles=[Role.SERVICE], lifetime_seconds=_TOKEN_SECONDS),
            check_secret("HMAC_KEY", settings.hmac_key),
        )
        say("Warm-up, and the same scores from every path")
        _measure(contenders, supply, signer, _WARM_UP)
        check_same_scores(contenders, signer, moment=days.live_start + DAY_SECONDS // 2)
        say(f"{plan.rounds} interleaved rounds")
        measured = _measure(contenders, supply, signer, plan)
    values = ratios(measured)
    click.echo("\n" + table(measured))
    click.echo("\nCPU ms per decision at saturation, by process")
    for contender in contenders:
        parts = cpu_by_process(measured, contender.name)
        shown = ", ".join(f"{name} {value:.2f}" for name, value in sorted(parts.items(), key=lambda part: -part[1]))
        click.echo(f"  {contender.title}: {shown}")
    click.echo("\nRatios of medians\n" + ratio_table(values))
    changed = fast_paths(measured)
    if changed:
        click.echo("\nWith one setting changed, divided by the platform as it is\n" + fast_path_table(changed))
    if svg is not None:
        draw(measured, svg)
        click.echo(f"The pictures are in {svg}.")
    return {
        "machine": describe_machine(),
        "plan": asdict(plan) | {"score_workers": score_workers, "infer_batch_size": settings.infer_batch_size},
        "ratios": _finite(values),
        "fast_paths": {setting: _finite(figures) for setting, figures in changed.items()},
        "targets": {
            name: {"wanted": list(TARGETS[name]), "met": is_met(name, value)} for name, value in values.items()
        },
        "cpu_ms_by_process": {item.name: cpu_by_process(measured, item.name) for item in contenders},
        "rounds": [item.wire() for item in measured],
    }


def _measure(contenders: Sequence[Contender], supply: TransactionSupply, signer: Signer, plan: Plan) -> list[Any]:
    progress = ProgressLine()
    batched = next((item for item in contenders if item.name == SHRIKE), None)
    measured = run_rounds(
        contenders,
        supply,
        signer,
        plan,
        batched=batched,
        progress=lambda text, share: progress.show(f"{share:4.0%} {text}"),
    )
    progress.finish(f"{len(measured)} measurements")
    return measured


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Returns the values for JSON, which has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
