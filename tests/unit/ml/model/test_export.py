import math
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from ml.model.autoencoder import WORST_FEATURES, fit_autoencoder
from ml.model.export import Components, export_components, export_model
from ml.model.fusion import COMPONENTS, Fusion, fit_fusion
from ml.model.gradient_boosting import BoostingSettings, fit_gradient_boosting
from ml.model.isolation_forest import fit_isolation_forest
from ml.model.rarity import RARITY_LEVELS, Rarity
from ml.model.sequence import fit_sequence_model
from ml.model.unusualness import fit_unusualness

TOLERANCE = 1e-5  # what the native models and the graph may differ by, in any probability


@pytest.fixture(scope="module")
def components(rows: Any) -> Components:
    anomaly = fit_isolation_forest(rows.vectors)
    autoencoder = fit_autoencoder(rows.vectors, epochs=1)
    return Components(
        tabular=fit_gradient_boosting(rows.vectors, rows.labels, settings=BoostingSettings(trees=40)),
        anomaly=anomaly,
        anomaly_map=fit_unusualness(anomaly.scores(rows.vectors)),
        autoencoder=autoencoder,
        autoencoder_map=fit_unusualness(autoencoder.log_errors(rows.vectors)),
        sequence=fit_sequence_model(rows.sequences, rows.labels, epochs=1),
    )


@pytest.fixture(scope="module")
def fusion(components: Components, rows: Any) -> Fusion:
    return fit_fusion(components.log_odds(rows.vectors, rows.sequences), rows.labels)


@pytest.fixture(scope="module")
def graph(components: Components, fusion: Fusion, rows: Any) -> bytes:
    return export_model(components, fusion, sequence_shape=rows.sequences.shape[1:], metadata={"made_by": "a test"})


@pytest.mark.parametrize("size", [1, 2, 33])
def test_every_output_equals_the_native_models(
    components: Components, fusion: Fusion, graph: bytes, rows: Any, size: int
) -> None:
    session = onnxruntime.InferenceSession(graph)
    vectors, sequences = rows.vectors[:size], rows.sequences[:size]
    names = [item.name for item in session.get_outputs()]
    served = dict(zip(names, session.run(names, {"vectors": vectors, "sequences": sequences}), strict=True))
    native = components.log_odds(vectors, sequences)
    for place, name in enumerate(COMPONENTS):
        np.testing.assert_allclose(served[name], 1 / (1 + np.exp(-native[:, place])), atol=TOLERANCE)
    np.testing.assert_allclose(served["score"], fusion.scores(native), atol=TOLERANCE)
    assert served["contributions"].shape == (size, vectors.shape[1])


def test_ten_thousand_rows_unlike_those_learnt_from_score_as_the_native_models(
    components: Components, fusion: Fusion, graph: bytes, rows: Any
) -> None:
    random = np.random.default_rng(23)
    chosen = random.integers(0, len(rows.labels), 10_000)
    vectors, sequences = rows.vectors[chosen].copy(), rows.sequences[chosen].copy()
    # Stretched, so that they reach the clips and the outermost leaves, and some exactly on splits.
    vectors *= random.lognormal(0.0, 1.0, vectors.shape).astype(np.float32)
    sequences *= random.lognormal(0.0, 1.0, sequences.shape).astype(np.float32)
    splits = [node for nodes in components.tabular.trees() for node in nodes if node.feature >= 0]
    for row in range(0, 10_000, 4):
        node = splits[row % len(splits)]
        vectors[row, node.feature] = node.threshold
    session = onnxruntime.InferenceSession(graph)
    outputs = session.run([*COMPONENTS, "score"], {"vectors": vectors, "sequences": sequences})
    native = components.log_odds(vectors, sequences)
    expected = [*(1 / (1 + np.exp(-native))).T, fusion.scores(native)]
    for name, served, probabilities in zip([*COMPONENTS, "score"], outputs, expected, strict=True):
        np.testing.assert_allclose(served, probabilities, atol=TOLERANCE, err_msg=name)


def test_bias_contributions_and_terms_add_up_to_the_log_odds_of_the_score(
    components: Components, fusion: Fusion, graph: bytes, rows: Any
) -> None:
    session = onnxruntime.InferenceSession(graph)
    bias = float(session.get_modelmeta().custom_metadata_map["bias"])
    vectors = rows.vectors.copy()
    vectors[:1500, 5:] *= 4  # unlike all training rows: here the novelty term is not 0
    inputs = {"vectors": vectors, "sequences": rows.sequences}
    score, contributions, terms = session.run(["score", "contributions", "terms"], inputs)
    native = components.log_odds(vectors, rows.sequences)
    np.testing.assert_allclose(terms, fusion.terms(native), atol=1e-3)
    total = bias + contributions.sum(axis=1, dtype=np.float64) + terms.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(1 / (1 + np.exp(-total)), score, atol=1e-6)
    log_odds = np.log(score.astype(np.float64)) - np.log1p(-score.astype(np.float64))
    middle = np.abs(log_odds) < math.log(99)  # beyond, a float32 probability no longer holds the log-odds
    assert middle.sum() > 1_000
    np.testing.assert_allclose(total[middle], log_odds[middle], atol=1e-4)


def test_the_last_sequence_step_is_the_component_and_the_worst_features_are_those_of_torch(
    components: Components, graph: bytes, rows: Any
) -> None:
    session = onnxruntime.InferenceSession(graph)
    names = ["sequence", "sequence_steps", "reconstruction"]
    sequence, steps, worst = session.run(names, {"vectors": rows.vectors, "sequences": rows.sequences})
    np.testing.assert_allclose(1 / (1 + np.exp(-steps[:, -1])), sequence, atol=1e-6)
    np.testing.assert_allclose(steps, components.sequence.running_logits(rows.sequences), atol=TOLERANCE)
    errors = components.autoencoder.squared_errors(rows.vectors)
    positions = worst[:, :WORST_FEATURES].astype(int)
    np.testing.assert_allclose(
        np.take_along_axis(errors, positions, axis=1), -np.sort(-errors, axis=1)[:, :WORST_FEATURES], rtol=1e-3
    )


def test_the_metadata_say_how_rare_an_outlier_score_is(graph: bytes, rows: Any) -> None:
    session = onnxruntime.InferenceSession(graph)
    rarity = Rarity.from_json(session.get_modelmeta().custom_metadata_map["rarity"])
    anomaly, autoencoder = session.run(
        ["anomaly", "autoencoder"], {"vectors": rows.vectors, "sequences": rows.sequences}
    )
    for served, level_of in ((anomaly, rarity.of_anomaly), (autoencoder, rarity.of_autoencoder)):
        levels = np.array([level_of(value) for value in served.tolist()])
        for level in RARITY_LEVELS:
            assert (levels < level).mean() == pytest.approx(level, abs=1e-3)


def test_the_graph_uses_only_the_declared_operator_sets(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    assert {(opset.domain, opset.version) for opset in model.opset_import} == {("", 17), ("ai.onnx.ml", 3)}


def test_the_same_components_give_the_same_bytes(components: Components, fusion: Fusion, rows: Any) -> None:
    shape = rows.sequences.shape[1:]
    first, second = (export_model(components, fusion, sequence_shape=shape, metadata={}) for _ in range(2))
    assert first == second


def test_the_graph_for_the_fusion_gives_all_log_odds(components: Components, rows: Any) -> None:
    session = onnxruntime.InferenceSession(export_components(components, sequence_shape=rows.sequences.shape[1:]))
    (served,) = session.run(None, {"vectors": rows.vectors, "sequences": rows.sequences})
    # The map of the autoencoder's narrow range of log errors stretches float32 rounding.
    np.testing.assert_allclose(served, components.log_odds(rows.vectors, rows.sequences), atol=5e-5)
