"""Drift: how far today's features and scores have moved from those the model was trained on.

The measure is the population stability index over quantile bins of the training data. By long custom below 0.1 is
stable, above 0.25 is a shift that wants attention. Source: Siddiqi, "Credit Risk Scorecards", 2006.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

BINS = 10
_PRIOR_ROWS = 0.5  # added to every bin, so that an empty one does not make the index infinite


@dataclass(frozen=True, slots=True)
class Distribution:
    """A binned distribution: `edges` (len n - 1, rising) split the line into n bins that hold `counts` rows."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]], *, bins: int = BINS) -> "Distribution":
        """Bins values at their own quantiles; repeated values share an edge, so there may be fewer bins.

        >>> Distribution.of(np.arange(8.0), bins=4).counts
        (2, 2, 2, 2)
        >>> Distribution.of(np.array([0.0] * 95 + [1.0] * 5)).counts
        (0, 95, 5)
        """
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        if edges[0] == values.min():
            # A value that most rows share gets a bin of its own; what later lies below it shows in the one before.
            edges = np.unique([*edges, np.nextafter(edges[0], np.inf)])
        return cls(tuple(edges.tolist()), tuple(_count(values, edges)))

    def stability_index(self, values: NDArray[np.floating[Any]]) -> float:
        """Returns the PSI of values against this distribution: 0 for the same shares, never negative.

        >>> reference = Distribution.of(np.arange(1000.0))
        >>> round(reference.stability_index(np.arange(1000.0)), 6)
        0.0
        >>> reference.stability_index(np.arange(1000.0) + 500) > 0.25
        True
        """
        return stability_index(self.counts, _count(values, np.asarray(self.edges)))


def stability_index(reference: Sequence[int], current: Sequence[int]) -> float:
    """Returns Σ (c - r) · ln(c / r) over the bins' shares r and c.

    >>> stability_index([50, 50], [500, 500]) < 1e-4
    True
    """
    expected, actual = (np.asarray(counts, np.float64) + _PRIOR_ROWS for counts in (reference, current))
    expected, actual = expected / expected.sum(), actual / actual.sum()
    return float(np.sum((actual - expected) * np.log(actual / expected)))


@dataclass(frozen=True, slots=True)
class Drift:
    """PSI of every feature and of the score, over `rows` current rows."""

    features: dict[str, float]
    score: float
    rows: int


@dataclass(frozen=True, slots=True)
class Reference:
    """The distributions at training time: what `reference.json` holds."""

    features: dict[str, Distribution]
    score: Distribution

    @classmethod
    def of(
        cls, names: Sequence[str], vectors: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]]
    ) -> "Reference":
        """Bins each column of vectors [N, F] and the scores [N]."""
        columns = {name: Distribution.of(vectors[:, column]) for column, name in enumerate(names)}
        return cls(columns, Distribution.of(scores))

    @classmethod
    def from_json(cls, content: bytes) -> "Reference":
        """Reads `reference.json`.

        Raises:
            ValueError, KeyError, TypeError: the content is not what `to_json` writes.
        """
        raw = orjson.loads(content)
        return cls({name: _read(item) for name, item in raw["features"].items()}, _read(raw["score"]))

    def to_json(self) -> bytes:
        """Returns the content of `reference.json`."""
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS)

    def drift(
        self, names: Sequence[str], vectors: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]]
    ) -> Drift:
        """Compares current vectors [N, F], columns named by `names`, and scores [N] with the reference."""
        features = {
            name: self.features[name].stability_index(vectors[:, column])
            for column, name in enumerate(names)
            if name in self.features
        }
        return Drift(features, self.score.stability_index(scores), len(scores))


def _count(values: NDArray[np.floating[Any]], edges: NDArray[np.floating[Any]]) -> list[int]:
    bins = np.searchsorted(edges, values, side="right")
    return [int(count) for count in np.bincount(bins, minlength=len(edges) + 1)]


def _read(item: dict[str, list[float]]) -> Distribution:
    return Distribution(tuple(item["edges"]), tuple(int(count) for count in item["counts"]))
