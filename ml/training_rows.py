"""The rows of a training: chosen by time and by what was known of them, with their features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.errors import DataError
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES
from ml.table import TransactionTable
from ml.training_window import DAY_SECONDS, TrainingWindow, slice_rows


@dataclass(frozen=True)
class LabelledRows:
    """The rows of one slice.

    Attributes:
        rows: indices into the table, in time order.
        vectors: features [N, F].
        sequences: [N, S, K].
        labels: 0 or 1 [N].
        days: length of the slice.
    """

    rows: NDArray[np.intp]
    vectors: NDArray[np.float32]
    sequences: NDArray[np.float32]
    labels: NDArray[np.int8]
    days: float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frauds(self) -> int:
        """Number of frauds."""
        return int(self.labels.sum())


@dataclass(frozen=True)
class TrainingRows:
    """The three slices; fit and calibration hold labels known at `as_of` only, evaluation may be empty."""

    fit: LabelledRows
    calibration: LabelledRows
    evaluation: LabelledRows


def load_rows(table: TransactionTable, window: TrainingWindow) -> TrainingRows:
    """Returns the slices of a window with their features, computed over the whole table.

    Raises:
        DataError: there are too few days, no labelled rows, too few of one class, or a feature is not finite.
    """
    slices = slice_rows(table, window)
    parts = (slices.fit, slices.calibration, slices.evaluation)
    matrix = compute_features(table, np.concatenate(parts))
    vectors = matrix.vectors.astype(np.float32)
    if not np.isfinite(vectors).all():
        broken = FEATURE_NAMES[int(np.flatnonzero(~np.isfinite(vectors).all(axis=0))[0])]
        raise DataError(f"Feature {broken} is not finite in the training rows.")
    borders = np.cumsum([len(part) for part in parts[:-1]])
    lengths = (
        window.calibration_start - window.start,
        window.end - window.calibration_start,
        window.evaluation_end - window.as_of,
    )
    columns = zip(parts, np.split(vectors, borders), np.split(matrix.sequences, borders), lengths, strict=True)
    return TrainingRows(
        *(
            LabelledRows(rows, vector, sequence, table.is_fraud[rows], seconds / DAY_SECONDS)
            for rows, vector, sequence, seconds in columns
        )
    )
