"""Maps a raw outlier score to log-odds of being unusual, without looking at labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder
from ml.model.rarity import RARITY_LEVELS

RARE_SHARE = 0.01
"""The share of legitimate training rows that score above one half."""

MEDIAN_LOG_ODDS = -4.0
"""Where the median legitimate row lies: a probability-like value of 0.018."""


@dataclass(frozen=True, slots=True)
class Unusualness:
    """log-odds = raw · scale + shift: one half at the rarest hundredth of legitimate rows.

    Attributes:
        scale, shift: of the map.
        borders: the log-odds that each share of legitimate rows in `RARITY_LEVELS` stays below, ascending.
    """

    scale: float
    shift: float
    borders: tuple[float, ...]

    def log_odds(self, raw: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Returns the log-odds of raw scores of any shape."""
        return np.asarray(raw * self.scale + self.shift)

    def add_to(self, graph: GraphBuilder, raw: str) -> str:
        """Appends the map; returns the log-odds' name."""
        return graph.affine(raw, scale=[self.scale], shift=[self.shift])


def fit_unusualness(raw: NDArray[np.floating[Any]]) -> Unusualness:
    """Fits the map on the raw scores of legitimate rows; raw must be higher for more unusual rows.

    >>> fitted = fit_unusualness(np.arange(1001.0))
    >>> np.round(fitted.log_odds(np.array([500.0, 990.0])), 6).tolist()
    [-4.0, 0.0]
    """
    median, rare = np.quantile(raw, [0.5, 1.0 - RARE_SHARE])
    scale = -MEDIAN_LOG_ODDS / max(float(rare - median), 1e-6)
    shift = -float(rare) * scale
    borders = np.quantile(raw, RARITY_LEVELS).astype(np.float64) * scale + shift
    return Unusualness(scale=scale, shift=shift, borders=tuple(borders.tolist()))
