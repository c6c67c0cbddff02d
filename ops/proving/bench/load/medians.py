"""Medians over rounds: one figure of one path, and a path's figures divided by another's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ops.proving.bench.load.rounds import BATCH, CLOSED, OPEN, Round

COMPARED_RATE = 250.0
"""The arrival rate, requests per second, at which latencies are compared."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of rounds of one kind; `rate` chooses among open loops, None takes all.

    Attributes:
        kind: `open`, `closed` or `batch`.
        field: an attribute of `Round`.
    """

    kind: str
    field: str
    rate: float | None = None


THROUGHPUT, CPU = Figure(CLOSED, "throughput"), Figure(CLOSED, "cpu_total_ms")
"""Compared at saturation: they decide how many machines a given load needs."""
P50, P99, CPU_AT_RATE = (Figure(OPEN, field, COMPARED_RATE) for field in ("p50_ms", "p99_ms", "cpu_total_ms"))
BATCH_THROUGHPUT, BATCH_CPU = Figure(BATCH, "throughput"), Figure(BATCH, "cpu_total_ms")


def median_of(rounds: Sequence[Round], contender: str, figure: Figure) -> float:
    """Returns the median over rounds of one figure of one path; NaN if nothing was measured."""
    chosen = [
        float(getattr(item, figure.field))
        for item in rounds
        if item.contender == contender
        and item.kind == figure.kind
        and (figure.rate is None or item.rate == figure.rate)
    ]
    return median(chosen) if chosen else float("nan")


def medians(rounds: Sequence[Round], contender: str, figures: Mapping[str, Figure]) -> dict[str, float]:
    """Returns the medians of some figures of one path, by their names."""
    return {name: median_of(rounds, contender, figure) for name, figure in figures.items()}


def divided(rounds: Sequence[Round], contender: str, *, by: str, figures: Mapping[str, Figure]) -> dict[str, float]:
    """Returns each figure's median of one path divided by that of another."""
    own, others = medians(rounds, contender, figures), medians(rounds, by, figures)
    return {name: own[name] / others[name] for name in figures}


def medians_by_process(rounds: Sequence[Round], contender: str) -> dict[str, float]:
    """Returns the median CPU milliseconds per decision of each process at saturation."""
    chosen = [item.cpu_ms for item in rounds if item.contender == contender and item.kind == CLOSED]
    names = dict.fromkeys(name for cpu in chosen for name in cpu)
    return {name: median(cpu.get(name, 0.0) for cpu in chosen) for name in names}
