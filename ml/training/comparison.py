"""Champion against challenger: the same transactions, the same features, the same labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.features.offline import compute_features
from ml.serving.runtime import ScoringModel
from ml.training.evaluation import Quality, measure

_CHUNK_ROWS = 4096  # bounds the memory of one run of a graph


@dataclass(frozen=True)
class Contest:
    """The transactions two models are compared on: rows of a table, all labelled, point-in-time features.

    Attributes:
        table: transactions with the history before them.
        rows: which of them are scored.
    """

    table: TransactionTable
    rows: NDArray[np.intp]

    @property
    def frauds(self) -> int:
        """How many of the rows are frauds."""
        return int((self.table.is_fraud[self.rows] == FRAUD).sum())

    def measure(self, models: Sequence[ScoringModel]) -> list[Quality]:
        """Returns the quality of each model's final score, in order; the features are computed once."""
        matrix = compute_features(self.table, self.rows)
        labels = (self.table.is_fraud[self.rows] == FRAUD).astype(np.int64)
        days = self.table.epoch_seconds[self.rows] // DAY_SECONDS
        qualities = []
        for model in models:
            chunks = [
                model.predict(
                    matrix.vectors[start : start + _CHUNK_ROWS], matrix.sequences[start : start + _CHUNK_ROWS]
                )
                for start in range(0, len(self.rows), _CHUNK_ROWS)
            ]
            scores = np.concatenate([chunk.score for chunk in chunks]).astype(np.float64)
            customers = self.table.customer_id.codes[self.rows]
            qualities.append(measure(labels, scores, customers=customers, days=days))
        return qualities


def figures(quality: Quality) -> dict[str, float]:
    """Returns the figures of a comparison by name, with the size of its slice."""
    size = {"evaluation_rows": float(quality.rows), "evaluation_frauds": float(quality.frauds)}
    return quality.figures() | size


def is_better(challenger: Quality, champion: Quality) -> bool:
    """Returns whether the challenger takes over: its average precision is higher on the same rows; a tie is no win."""
    return challenger.average_precision > champion.average_precision
