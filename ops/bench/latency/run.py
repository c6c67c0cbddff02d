"""Runs the latency benchmark from data to report."""

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ml.features.definition import DAY_SECONDS
from ops.bench.latency.contenders import SHRIKE, Contender
from ops.bench.latency.picture import draw
from ops.bench.latency.requests import SUBJECT, Signer, TransactionSupply
from ops.bench.latency.rounds import Plan, run_rounds
from ops.bench.latency.same_scores import check_same_scores
from ops.bench.latency.start import running
from ops.bench.latency.summary import TARGETS, cpu_by_process, is_met, ratio_table, ratios, table
from ops.demo.source import Days, Source, load, moment
from ops.demo.steps import say
from ops.demo.training import prepare
from ops.progress import ProgressLine
from ops.stack.preconditions import ensure_keys
from security.keys import check_secret
from security.roles import Role
from security.tokens import issue_token
from settings import Settings

_WARM_UP = Plan(rounds=1, rates=(50.0,), seconds=2.0)
_TOKEN_SECONDS = 7200


def run(
    settings: Settings,
    *,
    paths: Sequence[str],
    rates: Sequence[float],
    rounds: int,
    seconds: float,
    connections: int,
    score_workers: int,
    svg: Path | None,
) -> dict[str, Any]:
    """Measures the paths, prints the tables, and returns the report.

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
    plan = Plan(rounds=rounds, rates=tuple(rates), seconds=seconds, connections=connections)
    say("Paths: " + ", ".join(paths))
    with running(
        paths,
        settings,
        folder=folder,
        history=source.file,
        until=moment(days.live_start),
        score_workers=score_workers,
    ) as contenders:
        signer = Signer(
            issue_token(settings, subject=SUBJECT, roles=[Role.SERVICE], lifetime_seconds=_TOKEN_SECONDS),
            check_secret("HMAC_KEY", settings.hmac_key),
        )
        say("Warm-up, and the same scores from every path")
        _measure(contenders, supply, signer, _WARM_UP)
        check_same_scores(contenders, signer, moment=days.live_start + DAY_SECONDS // 2)
        say(f"{rounds} interleaved rounds")
        measured = _measure(contenders, supply, signer, plan)
    values = ratios(measured)
    click.echo("\n" + table(measured))
    click.echo("\nCPU ms per decision at saturation, by process")
    for contender in contenders:
        parts = cpu_by_process(measured, contender.name)
        shown = ", ".join(f"{name} {value:.2f}" for name, value in sorted(parts.items(), key=lambda part: -part[1]))
        click.echo(f"  {contender.title}: {shown}")
    click.echo("\nRatios of medians\n" + ratio_table(values))
    if svg is not None:
        draw(measured, svg)
        click.echo(f"The pictures are in {svg}.")
    return {
        "machine": machine(),
        "plan": {"rounds": rounds, "rates": list(rates), "seconds": seconds, "connections": connections},
        "ratios": {name: value if value == value else None for name, value in values.items()},  # noqa: PLR0124 - NaN
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


def machine() -> dict[str, Any]:
    """Returns what the figures were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
