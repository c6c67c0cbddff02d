"""Reliability: of the payments with about the same score, how many really were fraud?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRETCHED_EDGES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Bins about evenly spaced in log-odds: fraud is rare, so nearly every score lies close to 0."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The payments whose scores lie in [start, end).

    Attributes:
        start, end: borders of the bin.
        rows: payments in it, at least one.
        expected: their mean score.
        observed: share of frauds among them.
        low, high: interval that holds the true share with 95 % confidence.
    """

    start: float
    end: float
    rows: int
    expected: float
    observed: float
    low: float
    high: float


def reliability(
    labels: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]], edges: tuple[float, ...] = STRETCHED_EDGES
) -> list[ReliabilityBin]:
    """Returns the bins that hold payments; the last one also holds a score of 1.

    Source of the interval: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    >>> labels, scores = np.array([0, 0, 0, 1]), np.array([0.1, 0.1, 0.1, 0.1])
    >>> (only,) = reliability(labels, scores, (0.0, 0.5, 1.0))
    >>> only.rows, round(only.expected, 3), only.observed, only.low < 0.1 < only.high
    (4, 0.1, 0.25, True)
    """
    from scipy.stats import binomtest

    index = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
    bins = []
    for place in np.unique(index).tolist():
        inside = index == place
        rows, frauds = int(inside.sum()), int(labels[inside].sum())
        interval = binomtest(frauds, rows).proportion_ci(CONFIDENCE, method="wilson")
        bins.append(
            ReliabilityBin(
                start=edges[place],
                end=edges[place + 1],
                rows=rows,
                expected=float(scores[inside].mean(dtype=np.float64)),
                observed=frauds / rows,
                low=float(interval.low),
                high=float(interval.high),
            )
        )
    return bins
