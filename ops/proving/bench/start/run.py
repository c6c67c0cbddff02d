"""Runs the start and swap measurements on a stack of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import click

from ml.registry.registry import ModelRegistry
from ops.cli.steps import say
from ops.proving.bench.load.loops import closed_loop
from ops.proving.bench.load.requests import single_requests
from ops.proving.bench.platform.own_stack import OwnStack, own_stack
from ops.proving.bench.report import Target, target_table, targets_document
from ops.proving.bench.start.readiness import time_score_worker, time_web
from ops.proving.bench.start.swap import Swap, copy_of_champion, medians, swap_under_load, wait_for_next_poll
from security.artifacts.artifact_keys import ArtifactSigner
from settings import Settings

TARGETS: Mapping[str, Target] = {
    "score_worker_seconds": Target("<=", 3.0),
    "web_seconds": Target("<=", 2.0),
    "swap_p99_ratio": Target("<=", 3.0),
}
"""What the medians should not exceed."""

_WARM_UP_REQUESTS = 500


def run(settings: Settings, *, starts: int, swaps: int, rate: float, seconds: float) -> dict[str, Any]:
    """Measures, prints, and returns the report.

    Args:
        settings: keys, model, and where everything is written.
        starts: per kind of process.
        swaps: changes of model.
        rate: requests per second during them.
        seconds: length of the window before and after each.

    Raises:
        OpsError: something did not start.
    """
    with own_stack(settings, "start", score_workers=2) as stack:
        say("Starts")
        env = stack.process_env
        workers = _times(time_score_worker, env, stack.folder / "log" / "start-score.log", starts)
        webs = _times(time_web, env, stack.folder / "log" / "start-web.log", starts)
        say(f"{swaps} changes of model at {rate:g} requests/s")
        changed = _swaps(stack, swaps, rate=rate, seconds=seconds)
    medians_of = {"score_worker_seconds": median(workers), "web_seconds": median(webs)}
    if changed:
        before, during = medians(changed)
        medians_of["swap_p99_ratio"] = during / before
    _print(medians_of, changed)
    return {
        "score_worker_seconds": workers,
        "web_seconds": webs,
        "swaps": [asdict(swap) | {"p99_ratio": swap.p99_ratio} for swap in changed],
        "medians": medians_of,
        "targets": targets_document(medians_of, TARGETS),
        "failed_requests": sum(swap.failed for swap in changed),
    }


def _times(
    measure: Callable[[Mapping[str, str], Path], float], env: Mapping[str, str], log: Path, count: int
) -> list[float]:
    """Returns the seconds of each start, without those of a first one that reads the files from disk."""
    return [measure(env, log) for _ in range(count + 1)][1:]


def _swaps(stack: OwnStack, count: int, *, rate: float, seconds: float) -> list[Swap]:
    supply = stack.supply()
    registry, keys = ModelRegistry(stack.settings.models_path), ArtifactSigner.from_settings(stack.settings)
    contender = stack.platform
    warm = single_requests(stack.signer, supply.take(_WARM_UP_REQUESTS, name="warm"))
    supply.advance(_WARM_UP_REQUESTS)
    closed_loop(contender.host, contender.port, warm, connections=8)
    results = []
    for _ in range(count):
        version = copy_of_champion(registry, keys)
        results.append(
            swap_under_load(
                contender, supply, stack.signer, registry=registry, version=version, rate=rate, seconds=seconds
            )
        )
        contender.wait_until_done()
        wait_for_next_poll(2 * stack.settings.model_poll_seconds)
    return results


def _print(values: Mapping[str, float], changed: Sequence[Swap]) -> None:
    click.echo(target_table(values, TARGETS))
    for swap in changed:
        click.echo(
            f"  swap: {swap.requests} requests, {swap.failed} failed; p99 {swap.before_p99_ms:.1f} ms before, "
            f"{swap.during_p99_ms:.1f} ms with it; answered by the new model after {swap.swap_seconds:.1f} s"
        )
