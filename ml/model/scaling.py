"""A robust standardisation that lives inside the graph, in front of the neural components only.

Never put it in front of trees: rounding would move rows that lie on a split.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder

CLIP = 5.0
"""Standard units at which a value saturates, so that one extreme feature does not outweigh the others."""

_IQR_PER_SIGMA = 1.349  # of a normal distribution
_CONSTANT = 1e-6  # spreads below are rounding


@dataclass(frozen=True)
class RobustScaling:
    """value → clip((value - centre) / spread, ±CLIP), per column; `centre` and `spread` have shape [columns]."""

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]

    def apply(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns the standardised values as float32; the last axis holds the columns."""
        scale = (1.0 / self.spread).astype(np.float32)
        scaled = (values.astype(np.float32) - self.centre) * scale
        return np.asarray(np.clip(scaled, -CLIP, CLIP))

    def undo(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns standardised values in the columns' own units."""
        return np.asarray(scaled * self.spread + self.centre)

    def add_to(self, graph: GraphBuilder, tensor: str) -> str:
        """Appends the standardisation; returns its output's name."""
        centred = graph.add("Sub", tensor, graph.constant(self.centre))
        scaled = graph.add("Mul", centred, graph.constant(1.0 / self.spread))
        return graph.add("Clip", scaled, graph.constant(-CLIP), graph.constant(CLIP))

    def add_undo_to(self, graph: GraphBuilder, tensor: str) -> str:
        """Appends the way back to the columns' own units; returns its output's name."""
        return graph.affine(tensor, scale=self.spread, shift=self.centre)


def fit_scaling(values: NDArray[np.floating[Any]]) -> RobustScaling:
    """Fits median and interquartile range per column of [rows, columns].

    A column whose quartiles coincide, such as a rare flag or share, is spread over its whole range instead, so that
    its few other values stay apart from each other; a constant column keeps its unit.

    >>> scaling = fit_scaling(np.array([[0.0, 7.0, 0], [1.0, 7.0, 0], [2.0, 7.0, 0], [3.0, 7.0, 0], [4.0, 7.0, 1]]))
    >>> scaling.centre.tolist(), [round(float(value), 3) for value in scaling.spread]
    ([2.0, 7.0, 0.0], [1.483, 1.0, 0.2])
    """
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / _IQR_PER_SIGMA
    full = (values.max(axis=0) - values.min(axis=0)) / CLIP
    spread = np.where(spread > _CONSTANT, spread, np.where(full > _CONSTANT, full, 1.0))
    return RobustScaling(centre.astype(np.float32), spread.astype(np.float32))
