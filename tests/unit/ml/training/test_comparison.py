from dataclasses import replace

import numpy as np
import pytest

from ml.data.table import FRAUD, TransactionTable
from ml.features.offline import compute_features
from ml.serving.runtime import ScoringModel
from ml.training.comparison import Contest, figures, is_better
from ml.training.evaluation import Quality, average_precision


@pytest.fixture(scope="module")
def contest(history: TransactionTable) -> Contest:
    return Contest(history, np.arange(len(history) - 3000, len(history)))


def test_two_models_are_measured_on_the_same_rows(contest: Contest, model: ScoringModel) -> None:
    first, second = contest.measure([model, model])
    assert first == second
    assert (first.rows, first.frauds) == (3000, contest.frauds)


def test_the_measure_is_that_of_the_models_own_scores(
    contest: Contest, model: ScoringModel, history: TransactionTable
) -> None:
    matrix = compute_features(history, contest.rows)
    scores = model.predict(matrix.vectors, matrix.sequences).score.astype(np.float64)
    labels = (history.is_fraud[contest.rows] == FRAUD).astype(np.int64)
    (quality,) = contest.measure([model])
    # Batches of other sizes round float32 sums differently, which may swap two equal ranks.
    assert quality.average_precision == pytest.approx(average_precision(labels, scores), abs=1e-3)


@pytest.mark.parametrize(
    ("challenger", "champion", "wins"),
    [(0.6, 0.5, True), (0.5, 0.5, False), (0.4, 0.5, False), (float("nan"), 0.5, False), (0.5, float("nan"), False)],
)
def test_only_a_higher_average_precision_wins(
    contest: Contest, model: ScoringModel, challenger: float, champion: float, *, wins: bool
) -> None:
    (quality,) = contest.measure([model])
    better = is_better(_with(quality, challenger), _with(quality, champion))
    assert better is wins


def _with(quality: Quality, precision: float) -> Quality:
    return replace(quality, average_precision=precision)


def test_undefined_figures_are_left_out(contest: Contest, model: ScoringModel) -> None:
    (quality,) = contest.measure([model])
    assert "average_precision" in figures(quality)
    assert "average_precision" not in figures(_with(quality, float("nan")))
