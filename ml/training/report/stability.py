"""The reference that the drift check compares with, beside the measured slice binned in the same way."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.features.schema import FEATURE_NAMES
from ml.training.drift import Distribution, stability_index
from ml.training.trained_model import TrainedModel


@dataclass(frozen=True, slots=True)
class Shift:
    """One feature, or the score: its reference bins, and the measured rows in the same bins.

    Attributes:
        name: feature name, or `score`.
        reference: borders and counts at training time.
        counts: measured rows per bin.
    """

    name: str
    reference: Distribution
    counts: tuple[int, ...]

    @property
    def index(self) -> float:
        """PSI of the measured rows against the reference."""
        return stability_index(self.reference.counts, self.counts)

    @property
    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares of the rows per bin: the reference's, the measured slice's."""
        reference, measured = (np.asarray(counts, np.float64) for counts in (self.reference.counts, self.counts))
        return reference / max(reference.sum(), 1.0), measured / max(measured.sum(), 1.0)


def shifts(trained: TrainedModel) -> list[Shift]:
    """Returns the score's shift, then every feature's in the order of the schema."""
    evidence, reference = trained.evidence, trained.reference
    score = _shift("score", reference.score, evidence.measured.outputs["score"])
    features = (
        _shift(name, reference.features[name], evidence.vectors[:, column])
        for column, name in enumerate(FEATURE_NAMES)
        if name in reference.features
    )
    return [score, *features]


def _shift(name: str, reference: Distribution, values: NDArray[np.floating[Any]]) -> Shift:
    bins = np.searchsorted(reference.edges, values, side="right")
    return Shift(name, reference, tuple(np.bincount(bins, minlength=len(reference.counts)).tolist()))
