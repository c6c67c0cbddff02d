from dataclasses import replace

import numpy as np
import pytest

from ml.data.table import NEVER, UNKNOWN, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError
from ml.training.window import TrainingWindow, slice_rows


def test_slices_follow_each_other_with_the_label_delay_between(
    history: TransactionTable, window: TrainingWindow
) -> None:
    slices = slice_rows(history, window)
    times = history.epoch_seconds
    assert times[slices.fit].max() < window.calibration_start <= times[slices.calibration].min()
    assert times[slices.evaluation].min() - times[slices.calibration].max() >= 7 * DAY_SECONDS
    assert history.label_known_at[slices.calibration].max() <= window.as_of


def test_a_label_that_came_after_the_training_is_not_learnt_from(
    history: TransactionTable, window: TrainingWindow
) -> None:
    late = slice_rows(history, window).fit[:10]
    known_at = history.label_known_at.copy()
    known_at[late] = window.as_of + 1
    slices = slice_rows(replace(history, label_known_at=known_at), window)
    assert not np.isin(late, slices.fit).any()


def test_rows_without_a_label_are_left_out(history: TransactionTable, window: TrainingWindow) -> None:
    labels, known_at = history.is_fraud.copy(), history.label_known_at.copy()
    labels[::2], known_at[::2] = UNKNOWN, NEVER
    slices = slice_rows(replace(history, is_fraud=labels, label_known_at=known_at), window)
    for rows in (slices.fit, slices.calibration, slices.evaluation):
        assert (rows % 2 == 1).all()


def test_too_few_days_are_said_in_one_sentence(history: TransactionTable) -> None:
    end = int(history.epoch_seconds[-1]) + 1
    with pytest.raises(DataError, match=r"cover 40\.0 days .* need 104\.0"):
        slice_rows(history, TrainingWindow.before(end, days=90))


def test_no_data_at_all_is_too_few_days(history: TransactionTable, window: TrainingWindow) -> None:
    with pytest.raises(DataError, match=r"cover 0\.0 days"):
        slice_rows(history.between(0, 1), window)


@pytest.mark.parametrize(("label", "sentence"), [(0, "0 known frauds"), (1, "0 legitimate"), (-1, "No transaction")])
def test_one_class_is_refused(history: TransactionTable, window: TrainingWindow, label: int, sentence: str) -> None:
    labels = np.full(len(history), label, np.int8)
    with pytest.raises(DataError, match=sentence):
        slice_rows(replace(history, is_fraud=labels), window)


def test_a_window_without_days_to_fit_on_is_refused() -> None:
    with pytest.raises(DataError, match="days to fit on"):
        TrainingWindow.before(10**9, days=5, calibration_days=5)


def test_a_window_without_evaluation_trains_up_to_the_label_delay() -> None:
    window = TrainingWindow.before(100 * DAY_SECONDS, days=28, evaluation_days=0)
    assert (window.start, window.end, window.as_of) == (65 * DAY_SECONDS, 93 * DAY_SECONDS, 100 * DAY_SECONDS)
