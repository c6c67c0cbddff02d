"""The rows of a training: chosen by time and by known labels, with their features.

Labels reach features late. A feature that sees a label too early looks excellent in training and fails in service, so
every loading checks on a sample of rows that no feature did.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.table import NEVER, UNKNOWN, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError
from ml.features.kernel import FeatureMatrix
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES, SEQUENCE_CHANNELS
from ml.training.window import TrainingWindow, slice_rows

_GUARDED_MOMENTS = 4
_GUARDED_ROWS = 256
"""Consecutive rows before each moment whose features are computed twice."""

Compute = Callable[[TransactionTable, NDArray[np.intp]], FeatureMatrix]


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

    def select(self, places: NDArray[np.intp] | slice) -> "LabelledRows":
        """Returns some of the rows; `days` stays that of the slice."""
        return replace(
            self,
            rows=self.rows[places],
            vectors=self.vectors[places],
            sequences=self.sequences[places],
            labels=self.labels[places],
        )

    def first(self, count: int) -> "LabelledRows":
        """Returns the first rows."""
        return self.select(slice(count))

    def joined(self, later: "LabelledRows") -> "LabelledRows":
        """Returns these rows and those of the slice that follows."""
        return LabelledRows(
            rows=np.concatenate([self.rows, later.rows]),
            vectors=np.concatenate([self.vectors, later.vectors]),
            sequences=np.concatenate([self.sequences, later.sequences]),
            labels=np.concatenate([self.labels, later.labels]),
            days=self.days + later.days,
        )


@dataclass(frozen=True)
class TrainingRows:
    """The three slices; fit and calibration hold labels known at `as_of` only, evaluation may be empty."""

    fit: LabelledRows
    calibration: LabelledRows
    evaluation: LabelledRows


def load_rows(table: TransactionTable, window: TrainingWindow, *, compute: Compute = compute_features) -> TrainingRows:
    """Returns the slices of a window with their features, computed over the whole table.

    Raises:
        DataError: there are too few days, no labelled rows, too few of one class, a feature is not finite, or one saw
            a label before it was known.
    """
    slices = slice_rows(table, window)
    parts = (slices.fit, slices.calibration, slices.evaluation)
    rows = np.concatenate(parts)
    refuse_early_labels(table, rows, compute=compute)
    matrix = compute(table, rows)
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


def constant_features(rows: LabelledRows) -> tuple[str, ...]:
    """Returns the names of the features that hold the same value in every row."""
    is_constant = (rows.vectors == rows.vectors[:1]).all(axis=0)
    return tuple(np.array(FEATURE_NAMES)[is_constant].tolist())


def refuse_early_labels(
    table: TransactionTable, rows: NDArray[np.intp], *, compute: Compute = compute_features
) -> None:
    """Computes the features of a sample of rows with and without the labels that became known after them.

    Args:
        table: the transactions with their labels.
        rows: indices in time order, of which blocks before a few moments are sampled.
        compute: computes features of rows of a table.

    Raises:
        DataError: a feature differs.
    """
    for block in _blocks(rows):
        moment = int(table.epoch_seconds[block[-1]])
        # Only the block's own customers and terminals can reach its features.
        is_near = _shares(table.customer_id.codes, block) | _shares(table.terminal_id.codes, block)
        near = table.select(is_near)
        places = np.cumsum(is_near)[block] - 1
        later = near.label_known_at > moment
        blinded = replace(
            near,
            is_fraud=np.where(later, np.int8(UNKNOWN), near.is_fraud),
            label_known_at=np.where(later, NEVER, near.label_known_at),
        )
        seen, allowed = compute(near, places), compute(blinded, places)
        _require_equal(seen.vectors, allowed.vectors, FEATURE_NAMES)
        _require_equal(seen.sequences, allowed.sequences, SEQUENCE_CHANNELS)


def _blocks(rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    ends = np.linspace(len(rows) / _GUARDED_MOMENTS, len(rows), _GUARDED_MOMENTS).astype(np.intp)
    return [rows[max(0, end - _GUARDED_ROWS) : end] for end in ends if end]


def _shares(codes: NDArray[np.int32], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.isin(codes, codes[rows])


def _require_equal(seen: NDArray[Any], allowed: NDArray[Any], names: tuple[str, ...]) -> None:
    differs = (seen != allowed).reshape(-1, len(names)).any(axis=0)
    if differs.any():
        raise DataError(
            f"Feature {names[int(np.flatnonzero(differs)[0])]} saw a label before it was known; "
            "a model must not be trained on it."
        )
