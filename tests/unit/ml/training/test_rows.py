from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.data.table import FRAUD, NEVER, UNKNOWN, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.domain.errors import DataError
from ml.features.kernel import FeatureMatrix
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES, FEATURES, SEQUENCE_CHANNELS
from ml.training.rows import LabelledRows, TrainingRows, constant_features, load_rows, refuse_early_labels
from ml.training.window import TrainingWindow

RISK = "terminal_fraud_share_30d"


@pytest.fixture(scope="module")
def rows(history: TransactionTable, window: TrainingWindow) -> TrainingRows:
    return load_rows(history, window)


def leaking(table: TransactionTable, rows: NDArray[np.intp]) -> FeatureMatrix:
    """Computes the features, but one takes a terminal's frauds from all labels, whenever they became known."""
    matrix = compute_features(table, rows)
    terminals = table.terminal_id.codes
    frauds = np.bincount(terminals, table.is_fraud == FRAUD)
    matrix.vectors[:, FEATURE_NAMES.index(RISK)] = (frauds / np.maximum(np.bincount(terminals), 1))[terminals[rows]]
    return matrix


def leaking_sequences(table: TransactionTable, rows: NDArray[np.intp]) -> FeatureMatrix:
    """Computes the features, but the sequence's last step knows what the transaction turned out to be."""
    matrix = compute_features(table, rows)
    matrix.sequences[:, -1, SEQUENCE_CHANNELS.index("is_fraud")] = table.is_fraud[rows] == FRAUD
    return matrix


def test_a_feature_that_sees_labels_too_early_fails_the_training_by_name(
    history: TransactionTable, window: TrainingWindow
) -> None:
    with pytest.raises(DataError, match=f"Feature {RISK} saw a label before it was known"):
        load_rows(history, window, compute=leaking)


def test_a_sequence_that_sees_labels_too_early_fails_the_training_by_name(
    history: TransactionTable, window: TrainingWindow
) -> None:
    with pytest.raises(DataError, match="Feature is_fraud saw a label before it was known"):
        load_rows(history, window, compute=leaking_sequences)


def test_the_features_of_the_platform_pass_on_any_rows(history: TransactionTable) -> None:
    every = np.arange(len(history))
    refuse_early_labels(history, every)
    refuse_early_labels(history, every[-3:])
    refuse_early_labels(history, every[:0])


def test_labels_that_only_become_known_later_move_no_feature(history: TransactionTable, rows: TrainingRows) -> None:
    late = replace(history, label_known_at=np.full(len(history), int(history.epoch_seconds[-1]) + DAY_SECONDS))
    none = replace(
        history,
        is_fraud=np.full(len(history), UNKNOWN, np.int8),
        label_known_at=np.full(len(history), NEVER),
    )
    shifted, unlabelled = (compute_features(table, rows.calibration.rows) for table in (late, none))
    np.testing.assert_array_equal(shifted.vectors, unlabelled.vectors)
    np.testing.assert_array_equal(shifted.sequences, unlabelled.sequences)
    risk = [place for place, feature in enumerate(FEATURES) if feature.family == "terminal_risk"]
    assert np.ptp(shifted.vectors[:, risk], axis=0).max() == 0.0
    assert np.ptp(rows.calibration.vectors[:, risk], axis=0).max() > 0.0


def test_a_feature_that_is_not_finite_is_named(history: TransactionTable, window: TrainingWindow) -> None:
    def broken(table: TransactionTable, rows: NDArray[np.intp]) -> FeatureMatrix:
        matrix = compute_features(table, rows)
        matrix.vectors[len(rows) // 2, FEATURE_NAMES.index("customer_mean_7d")] = 1e300  # beyond float32
        return matrix

    with np.errstate(over="ignore"), pytest.raises(DataError, match="Feature customer_mean_7d is not finite"):
        load_rows(history, window, compute=broken)


def test_joined_slices_hold_the_rows_of_both_in_order(rows: TrainingRows) -> None:
    both = rows.fit.joined(rows.calibration)
    assert len(both) == len(rows.fit) + len(rows.calibration)
    assert both.frauds == rows.fit.frauds + rows.calibration.frauds
    assert both.days == pytest.approx(20)
    assert (np.diff(both.rows) > 0).all()
    np.testing.assert_array_equal(both.vectors[len(rows.fit) :], rows.calibration.vectors)
    np.testing.assert_array_equal(both.sequences[: len(rows.fit)], rows.fit.sequences)


def test_constant_features_are_named(rows: TrainingRows) -> None:
    silent = rows.fit.vectors.copy()
    silent[:, FEATURE_NAMES.index("is_new_country")] = 0.0
    without: LabelledRows = replace(rows.fit, vectors=silent)
    assert "is_new_country" in constant_features(without)
    assert "amount" not in constant_features(without)
