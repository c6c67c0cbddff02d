"""The time slices of a training: fit, calibration, the wait for labels, evaluation."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, LEGITIMATE, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError

MIN_FRAUDS = 10
"""Fewest frauds in the fit slice from which anything can be learnt; the calibration slice needs a third of it."""


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """Borders in epoch seconds: start < calibration_start < end ≤ as_of ≤ evaluation_end.

    Components are fitted on [start, calibration_start), fusion and calibration on [calibration_start, end), always
    with the labels known at `as_of`, the moment the training pretends to happen. [as_of, evaluation_end) is only
    measured on; it may be empty.
    """

    start: int
    calibration_start: int
    end: int
    as_of: int
    evaluation_end: int

    def __post_init__(self) -> None:
        if not self.start < self.calibration_start < self.end <= self.as_of <= self.evaluation_end:
            raise DataError("A training window needs days to fit on and days to calibrate on, in this order.")

    @classmethod
    def before(
        cls,
        end: int,
        *,
        days: float = 28,
        calibration_days: float | None = None,
        label_delay_days: float = 7,
        evaluation_days: float = 7,
    ) -> "TrainingWindow":
        """Returns the window whose evaluation ends at `end`, a moment in epoch seconds.

        Args:
            end: where the data that may be looked at end.
            days: length of fit and calibration slice together.
            calibration_days: length of the calibration slice; default: a quarter of `days`.
            label_delay_days: time until a transaction's label is known.
            evaluation_days: length of the slice that is only measured on; 0 trains on the newest data.
        """
        calibration_days = days / 4 if calibration_days is None else calibration_days
        as_of = end - round(evaluation_days * DAY_SECONDS)
        train_end = as_of - round(label_delay_days * DAY_SECONDS)
        return cls(
            start=train_end - round(days * DAY_SECONDS),
            calibration_start=train_end - round(calibration_days * DAY_SECONDS),
            end=train_end,
            as_of=as_of,
            evaluation_end=end,
        )

    def wire(self) -> dict[str, Any]:
        """Returns the borders as UTC times, JSON-ready."""
        borders = ("start", "calibration_start", "end", "as_of", "evaluation_end")
        return {name: datetime.fromtimestamp(getattr(self, name), UTC).isoformat() for name in borders}


@dataclass(frozen=True)
class Slices:
    """Row indices into a table, in time order; fit and calibration hold labels known at `as_of` only."""

    fit: NDArray[np.intp]
    calibration: NDArray[np.intp]
    evaluation: NDArray[np.intp]


def slice_rows(table: TransactionTable, window: TrainingWindow) -> Slices:
    """Returns the labelled rows of each slice of a window.

    Raises:
        DataError: there are too few days, no labelled rows, or too few of one class.
    """
    times, known = table.epoch_seconds, table.fraud_known_at(window.as_of)
    if not len(table) or times[0] >= window.start + DAY_SECONDS:
        raise DataError(_too_short(table, window))
    slices = Slices(
        fit=_labelled(times, known, window.start, window.calibration_start),
        calibration=_labelled(times, known, window.calibration_start, window.end),
        evaluation=_labelled(times, table.is_fraud, window.as_of, window.evaluation_end),
    )
    _require_both_classes(known[slices.fit], name="fit", least=MIN_FRAUDS)
    _require_both_classes(known[slices.calibration], name="calibration", least=MIN_FRAUDS // 3)
    return slices


def _labelled(times: NDArray[np.int64], labels: NDArray[np.int8], start: int, end: int) -> NDArray[np.intp]:
    return np.flatnonzero((labels >= LEGITIMATE) & (times >= start) & (times < end))


def _too_short(table: TransactionTable, window: TrainingWindow) -> str:
    days = (int(table.epoch_seconds[-1] - table.epoch_seconds[0]) / DAY_SECONDS) if len(table) else 0.0
    needed = (window.evaluation_end - window.start) / DAY_SECONDS
    return (
        f"The data cover {days:.1f} days up to their end, but training, label delay and evaluation "
        f"need {needed:.1f}; give more data or fewer days."
    )


def _require_both_classes(labels: NDArray[np.int8], *, name: str, least: int) -> None:
    if not len(labels):
        raise DataError(f"No transaction of the {name} slice has a known label; labels may not have matured yet.")
    frauds, legitimate = int((labels == FRAUD).sum()), int((labels == LEGITIMATE).sum())
    if frauds < least:
        raise DataError(f"The {name} slice holds {frauds} known frauds; at least {least} are needed.")
    if legitimate < least:
        raise DataError(f"The {name} slice holds {legitimate} legitimate transactions; at least {least} are needed.")
