import numpy as np
import pytest

from ml.data.table import FRAUD, TransactionTable
from ml.training.train import TrainingSettings
from ops.proving.bench.quality.detectors.hybrid import Outputs
from ops.proving.bench.quality.detectors.novelty import patterns, recall_in_alerts, search_hidden
from ops.proving.bench.quality.protocol.counted_week import TestWeek
from ops.proving.bench.quality.protocol.fold import Fold


def test_alerts_are_counted_by_day() -> None:
    labels, scores = np.array([1, 0, 1, 1]), np.array([0.1, 0.9, 0.2, 0.1])
    days = np.array([0, 0, 1, 1])
    assert recall_in_alerts(labels, scores, days=days, alerts_per_day=1) == pytest.approx(1 / 3)
    assert recall_in_alerts(labels, scores, days=days, alerts_per_day=2) == 1.0


def test_recall_without_frauds_is_undefined() -> None:
    assert np.isnan(recall_in_alerts(np.zeros(2, int), np.zeros(2), days=np.zeros(2, int)))


def test_data_without_patterns_have_none_to_hide(history: TransactionTable, fold: Fold) -> None:
    from dataclasses import replace

    assert patterns(replace(history, scenario=np.zeros(len(history), np.int8)), fold) == []
    assert patterns(history, fold) == [1, 2, 3]


def test_a_hidden_pattern_is_searched_among_legitimate_payments_alone(
    history: TransactionTable, week: TestWeek, outputs: Outputs, quick_settings: TrainingSettings
) -> None:
    found = search_hidden(
        3,
        history,
        week,
        known_scores=outputs["score"],
        days=14,
        settings=quick_settings,
        progress=lambda _stage, _share: None,
    )
    expected = (history.scenario[week.rows] == 3) & (history.is_fraud[week.rows] == FRAUD)
    assert found.frauds == expected.sum() > 0
    for search in (found.hybrid, found.supervised, found.known):
        assert 0.0 <= search.card_precision_at_100 <= found.ceiling
        assert 0.0 <= search.recall <= 1.0
