"""From rounds to medians, ratios and a table."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ops.proving.bench.latency.paths import (
    CELERY_DEFAULT,
    FASTAPI_TWO_HOP,
    IN_PROCESS,
    SHRIKE,
    changed_setting,
    in_order,
    title_of,
)
from ops.proving.bench.load.rounds import BATCH, CLOSED, OPEN, Round

COMPARED_RATE = 250.0
"""The arrival rate, requests per second, at which latencies are compared."""

TARGETS: Mapping[str, tuple[str, float]] = {
    "throughput_vs_fastapi_two_hop": (">=", 2.0),
    "throughput_vs_celery_default": (">=", 10.0),
    "throughput_vs_in_process": (">=", 0.7),
    "p50_vs_fastapi_two_hop_at_250": ("<=", 1.0),
    "p99_vs_fastapi_two_hop_at_250": ("<=", 1.0),
    "p99_vs_in_process_at_250": ("<=", 2.0),
    "cpu_vs_fastapi_two_hop": ("<=", 0.5),
    "batch_vs_single": (">=", 8.0),
}
"""What each ratio should reach."""


def middle(rounds: Sequence[Round], contender: str, kind: str, figure: str, *, rate: float | None = None) -> float:
    """Returns the median over rounds of one figure; NaN if nothing was measured."""
    chosen = [
        float(getattr(item, figure))
        for item in rounds
        if item.contender == contender and item.kind == kind and (rate is None or item.rate == rate)
    ]
    return median(chosen) if chosen else float("nan")


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """Returns what the platform is compared with each other path: medians of interleaved rounds, divided.

    CPU is compared at saturation: it decides how many machines a given load needs.
    """

    def throughput(contender: str, kind: str = CLOSED) -> float:
        return middle(rounds, contender, kind, "throughput")

    def latency(contender: str, figure: str) -> float:
        return middle(rounds, contender, OPEN, figure, rate=COMPARED_RATE)

    def cpu(contender: str) -> float:
        return middle(rounds, contender, CLOSED, "cpu_total_ms")

    return {
        "throughput_vs_fastapi_two_hop": throughput(SHRIKE) / throughput(FASTAPI_TWO_HOP),
        "throughput_vs_celery_default": throughput(SHRIKE) / throughput(CELERY_DEFAULT),
        "throughput_vs_in_process": throughput(SHRIKE) / throughput(IN_PROCESS),
        "p50_vs_fastapi_two_hop_at_250": latency(SHRIKE, "p50_ms") / latency(FASTAPI_TWO_HOP, "p50_ms"),
        "p99_vs_fastapi_two_hop_at_250": latency(SHRIKE, "p99_ms") / latency(FASTAPI_TWO_HOP, "p99_ms"),
        "p99_vs_in_process_at_250": latency(SHRIKE, "p99_ms") / latency(IN_PROCESS, "p99_ms"),
        "cpu_vs_fastapi_two_hop": cpu(SHRIKE) / cpu(FASTAPI_TWO_HOP),
        "batch_vs_single": throughput(SHRIKE, BATCH) / throughput(SHRIKE),
    }


def fast_paths(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    """Returns, by changed setting, that path's medians divided by those of the platform as it is."""
    figures = {
        "throughput": (CLOSED, "throughput", None),
        "cpu": (CLOSED, "cpu_total_ms", None),
        "p50_at_250": (OPEN, "p50_ms", COMPARED_RATE),
        "p99_at_250": (OPEN, "p99_ms", COMPARED_RATE),
    }
    return {
        setting: {
            name: middle(rounds, path, kind, figure, rate=rate) / middle(rounds, SHRIKE, kind, figure, rate=rate)
            for name, (kind, figure, rate) in figures.items()
        }
        for path in in_order(item.contender for item in rounds)
        if (setting := changed_setting(path)) is not None
    }


def fast_path_table(values: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a row per changed setting."""
    return "\n".join(
        f"  {setting:<28} " + "   ".join(f"{name} {value:.2f}" for name, value in figures.items())
        for setting, figures in values.items()
    )


def is_met(name: str, value: float) -> bool:
    """Whether a ratio reaches its target; NaN does not."""
    sign, bound = TARGETS[name]
    return value >= bound if sign == ">=" else value <= bound


def table(rounds: Sequence[Round]) -> str:
    """Returns the medians of every path, a row each."""
    rates = sorted({item.rate for item in rounds if item.rate is not None})
    head = f"{'path':<40} {'req/s':>7} {'CPU ms':>7}"
    head += "".join(f"  {f'p50/p95/p99 ms at {rate:g}/s':>26}" for rate in rates)
    lines = [head]
    for name in in_order(item.contender for item in rounds):
        line = f"{title_of(name):<40} {middle(rounds, name, CLOSED, 'throughput'):7.0f} "
        line += f"{middle(rounds, name, CLOSED, 'cpu_total_ms'):7.2f}"
        for rate in rates:
            cells = (middle(rounds, name, OPEN, figure, rate=rate) for figure in ("p50_ms", "p95_ms", "p99_ms"))
            line += f"  {' / '.join(f'{cell:.1f}' for cell in cells):>26}"
        lines.append(line)
    batch = middle(rounds, SHRIKE, BATCH, "throughput")
    if math.isfinite(batch):
        lines.append(f"{'  its batch route':<40} {batch:7.0f} {middle(rounds, SHRIKE, BATCH, 'cpu_total_ms'):7.2f}")
    return "\n".join(lines)


def ratio_table(values: Mapping[str, float]) -> str:
    """Returns each ratio with its target and whether it is reached."""
    lines = []
    for name, value in values.items():
        sign, bound = TARGETS[name]
        verdict = "met" if is_met(name, value) else "MISSED"
        lines.append(f"  {name:<34} {value:7.2f}   wanted {sign} {bound:g}   {verdict}")
    return "\n".join(lines)


def cpu_by_process(rounds: Sequence[Round], contender: str) -> dict[str, float]:
    """Returns the median CPU milliseconds per decision of each process at saturation."""
    chosen = [item.cpu_ms for item in rounds if item.contender == contender and item.kind == CLOSED]
    names: dict[str, Any] = {name: None for cpu in chosen for name in cpu}
    return {name: median(cpu.get(name, 0.0) for cpu in chosen) for name in names}
