"""From rounds to ratios and tables."""

import math
from collections.abc import Mapping, Sequence

from ops.proving.bench.latency.paths import (
    CELERY_DEFAULT,
    FASTAPI_TWO_HOP,
    IN_PROCESS,
    SHRIKE,
    changed_setting,
    in_order,
    title_of,
)
from ops.proving.bench.load.medians import (
    BATCH_CPU,
    BATCH_THROUGHPUT,
    CPU,
    P50,
    P99,
    THROUGHPUT,
    Figure,
    divided,
    median_of,
)
from ops.proving.bench.load.rounds import OPEN, Round
from ops.proving.bench.report import Target

TARGETS: Mapping[str, Target] = {
    "throughput_vs_fastapi_two_hop": Target(">=", 2.0),
    "throughput_vs_celery_default": Target(">=", 10.0),
    "throughput_vs_in_process": Target(">=", 0.7),
    "p50_vs_fastapi_two_hop_at_250": Target("<=", 1.0),
    "p99_vs_fastapi_two_hop_at_250": Target("<=", 1.0),
    "p99_vs_in_process_at_250": Target("<=", 2.0),
    "cpu_vs_fastapi_two_hop": Target("<=", 0.5),
    "batch_vs_single": Target(">=", 8.0),
}
"""What each ratio should reach."""

_RATIOS: Mapping[str, tuple[Figure, str]] = {
    "throughput_vs_fastapi_two_hop": (THROUGHPUT, FASTAPI_TWO_HOP),
    "throughput_vs_celery_default": (THROUGHPUT, CELERY_DEFAULT),
    "throughput_vs_in_process": (THROUGHPUT, IN_PROCESS),
    "p50_vs_fastapi_two_hop_at_250": (P50, FASTAPI_TWO_HOP),
    "p99_vs_fastapi_two_hop_at_250": (P99, FASTAPI_TWO_HOP),
    "p99_vs_in_process_at_250": (P99, IN_PROCESS),
    "cpu_vs_fastapi_two_hop": (CPU, FASTAPI_TWO_HOP),
}
_CHANGED = {"throughput": THROUGHPUT, "cpu": CPU, "p50_at_250": P50, "p99_at_250": P99}


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """Returns the platform's medians divided by those of each other path."""
    values = {
        name: median_of(rounds, SHRIKE, figure) / median_of(rounds, other, figure)
        for name, (figure, other) in _RATIOS.items()
    }
    single, batch = (median_of(rounds, SHRIKE, figure) for figure in (THROUGHPUT, BATCH_THROUGHPUT))
    return values | {"batch_vs_single": batch / single}


def changed_settings(rounds: Sequence[Round]) -> dict[str, dict[str, float]]:
    """Returns, by changed setting, that path's medians divided by those of the platform as it is."""
    return {
        setting: divided(rounds, path, by=SHRIKE, figures=_CHANGED)
        for path in in_order(item.contender for item in rounds)
        if (setting := changed_setting(path)) is not None
    }


def changed_settings_table(values: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a row per changed setting."""
    return "\n".join(
        f"  {setting:<28} " + "   ".join(f"{name} {value:.2f}" for name, value in figures.items())
        for setting, figures in values.items()
    )


def table(rounds: Sequence[Round]) -> str:
    """Returns the medians of every path, a row each."""
    rates = sorted({item.rate for item in rounds if item.rate is not None})
    head = f"{'path':<40} {'req/s':>7} {'CPU ms':>7}"
    head += "".join(f"  {f'p50/p95/p99 ms at {rate:g}/s':>26}" for rate in rates)
    lines = [head]
    for name in in_order(item.contender for item in rounds):
        line = f"{title_of(name):<40} {median_of(rounds, name, THROUGHPUT):7.0f} {median_of(rounds, name, CPU):7.2f}"
        for rate in rates:
            figures = (Figure(OPEN, field, rate) for field in ("p50_ms", "p95_ms", "p99_ms"))
            cells = " / ".join(f"{median_of(rounds, name, figure):.1f}" for figure in figures)
            line += f"  {cells:>26}"
        lines.append(line)
    batch = median_of(rounds, SHRIKE, BATCH_THROUGHPUT)
    if math.isfinite(batch):
        lines.append(f"{'  its batch route':<40} {batch:7.0f} {median_of(rounds, SHRIKE, BATCH_CPU):7.2f}")
    return "\n".join(lines)
