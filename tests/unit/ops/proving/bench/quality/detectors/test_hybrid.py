from dataclasses import replace

import numpy as np

from ml.data.table import TransactionTable
from ml.model.fusion import COMPONENTS
from ml.training.train import TrainingSettings
from ops.proving.bench.quality.detectors.hybrid import Hybrid, Outputs, fit_hybrid
from ops.proving.bench.quality.protocol.fold import Fold


def test_a_training_learns_nothing_from_the_test_week(
    history: TransactionTable, fold: Fold, hybrid: Hybrid, quick_settings: TrainingSettings
) -> None:
    is_tested = history.epoch_seconds >= fold.test_start
    altered = replace(
        history,
        is_fraud=np.where(is_tested, 1 - history.is_fraud, history.is_fraud).astype(np.int8),
        amount_units=np.where(is_tested, 1, history.amount_units),
    )
    again = fit_hybrid(altered, fold, days=14, settings=quick_settings, progress=lambda _stage, _share: None)
    assert again.trained.graph == hybrid.trained.graph


def test_a_fusion_fitted_anew_on_all_components_says_what_the_graph_says(hybrid: Hybrid, outputs: Outputs) -> None:
    # The graph's component outputs are float32 probabilities.
    np.testing.assert_allclose(hybrid.without_components([], outputs), outputs["score"], atol=1e-4)


def test_a_silent_component_has_no_say(hybrid: Hybrid, outputs: Outputs) -> None:
    for name in COMPONENTS:
        shouting = dict(outputs) | {name: np.ones_like(outputs[name])}
        np.testing.assert_array_equal(
            hybrid.without_components([name], shouting), hybrid.without_components([name], outputs)
        )
