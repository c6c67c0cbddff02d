"""The pictures: latency distribution of each path, and throughput against tail latency, as one SVG."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from ops.proving.bench.latency.paths import in_order, title_of
from ops.proving.bench.load.medians import COMPARED_RATE, Figure, median_of
from ops.proving.bench.load.rounds import CLOSED, OPEN, Round

_COLOURS = ("#0b6e4f", "#6c9bd2", "#7a5195", "#d1495b", "#b08900", "#3d3d3d", "#8f8f8f", "#c77dba")


def draw(rounds: Sequence[Round], path: Path) -> None:
    """Writes the SVG.

    Raises:
        OSError: it cannot be written.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "shrike", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    for name, colour in zip(in_order(item.contender for item in rounds), cycle(_COLOURS), strict=False):
        chosen = [
            item for item in rounds if item.contender == name and item.kind == OPEN and item.rate == COMPARED_RATE
        ]
        latencies = np.concatenate([np.array(item.latencies_ms) for item in chosen]) if chosen else np.array([])
        ordered = np.sort(latencies[np.isfinite(latencies)])
        shares = np.arange(1, len(ordered) + 1) / max(1, len(latencies))
        left.plot(ordered, shares, label=title_of(name), color=colour)
        rates = sorted({item.rate for item in rounds if item.rate is not None})
        points = [
            tuple(median_of(rounds, name, Figure(OPEN, field, rate)) for field in ("throughput", "p99_ms"))
            for rate in rates
        ]
        kept = sorted(point for point in points if np.isfinite(point).all())
        right.plot([x for x, _ in kept], [y for _, y in kept], marker="o", label=title_of(name), color=colour)
        saturated = [median_of(rounds, name, Figure(CLOSED, field)) for field in ("throughput", "p99_ms")]
        if np.isfinite(saturated).all():
            right.plot(*saturated, marker="*", markersize=12, color=colour)
    left.set(xscale="log", xlabel="latency, ms", ylabel="share of requests", ylim=(0, 1.01))
    left.set_title(f"Latency at {COMPARED_RATE:g} requests/s (from the intended moment of sending)")
    right.set(xscale="log", yscale="log", xlabel="decisions per second", ylabel="99th percentile, ms")
    right.set_title("Tail latency against throughput (star: saturated)")
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.25)
    left.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
