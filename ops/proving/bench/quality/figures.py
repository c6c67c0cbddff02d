"""The figures of one detector, on each fold and over the folds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ml.training.evaluation import Quality

FIGURES: Mapping[str, Callable[[Quality], float]] = {
    "auc": lambda quality: quality.auc,
    "average_precision": lambda quality: quality.average_precision,
    "card_precision_at_100": lambda quality: quality.card_precision.value,
}
"""The three figures by which detectors are compared, by their names in the JSON."""


@dataclass(frozen=True)
class FoldFigures:
    """One detector on one fold; `training_rows` and `training_seconds` are None where nothing was trained for it.

    `training_seconds` count everything from the table to the model, the features of the training rows included.
    """

    fold: str
    quality: Quality
    training_rows: int | None = None
    training_seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """One detector on every fold that it was measured on, at least one.

    Attributes:
        name: the detector.
        window_days: length of its training window.
        folds: its figures, by fold.
    """

    name: str
    window_days: float
    folds: tuple[FoldFigures, ...]

    def mean(self, figure: str) -> float:
        """Returns a figure's mean over the folds."""
        return float(np.mean(self._values(figure)))

    def deviation(self, figure: str) -> float:
        """Returns a figure's standard deviation over the folds, of the population as in the Handbook; 0 for one."""
        return float(np.std(self._values(figure)))

    @property
    def ceiling(self) -> float:
        """The mean card precision that perfect scores would have."""
        return float(np.mean([item.quality.card_precision.ceiling for item in self.folds]))

    @property
    def training_rows(self) -> float | None:
        """Mean number of training rows."""
        rows = [item.training_rows for item in self.folds if item.training_rows is not None]
        return float(np.mean(rows)) if rows else None

    @property
    def training_seconds(self) -> float | None:
        """Mean time of a training."""
        seconds = [item.training_seconds for item in self.folds if item.training_seconds is not None]
        return float(np.mean(seconds)) if seconds else None

    def _values(self, figure: str) -> list[float]:
        return [FIGURES[figure](item.quality) for item in self.folds]
