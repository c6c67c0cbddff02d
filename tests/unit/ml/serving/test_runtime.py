import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import orjson
import pytest

from ml.data.table import TransactionTable
from ml.domain.errors import ArtifactError
from ml.features.offline import compute_features
from ml.serving.runtime import PROBABILITIES, ScoringModel
from ml.training.trained_model import TrainedModel

TRAINING_LIBRARIES = ("torch", "sklearn", "xgboost", "pyarrow", "onnx", "mlflow", "scipy")


def build(files: dict[str, bytes]) -> ScoringModel:
    return ScoringModel.from_files(files, version="v20260101T000000-abcdef", manifest_hash="0" * 64)


def with_metadata(graph: bytes, key: str, value: str) -> bytes:
    model = onnx.load_from_string(graph)
    (entry,) = [entry for entry in model.metadata_props if entry.key == key]
    entry.value = value
    return model.SerializeToString()


def test_scores_of_real_transactions_are_probabilities(model: ScoringModel, history: TransactionTable) -> None:
    matrix = compute_features(history, np.arange(len(history) - 500, len(history)))
    scores = model.predict(matrix.vectors, matrix.sequences)
    for name in PROBABILITIES:
        values = getattr(scores, name)
        assert values.shape == (500,)
        assert ((values >= 0) & (values <= 1)).all()


def test_a_batch_scores_as_its_rows_do_alone(model: ScoringModel, history: TransactionTable) -> None:
    matrix = compute_features(history, np.arange(len(history) - 32, len(history)))
    together = model.predict(matrix.vectors, matrix.sequences)
    alone = [model.predict(matrix.vectors[[row]], matrix.sequences[[row]]).score[0] for row in range(32)]
    # Vectorised and single-row arithmetic round differently.
    np.testing.assert_allclose(together.score, alone, atol=1e-6)


def test_the_parts_explain_the_score(model: ScoringModel, history: TransactionTable) -> None:
    matrix = compute_features(history, np.arange(len(history) - 200, len(history)))
    scores = model.predict(matrix.vectors, matrix.sequences)
    np.testing.assert_allclose(scores.explained(), scores.score, atol=1e-6)


def test_a_whole_model_passes_its_golden_vectors_and_warms_up(model: ScoringModel) -> None:
    model.check_golden()
    model.warm_up()


def test_other_outputs_than_golden_are_refused(trained: TrainedModel) -> None:
    files = trained.files()
    golden = orjson.loads(files["golden.json"])
    golden["expected"]["anomaly"][3] += 1e-3
    with pytest.raises(ArtifactError, match="anomaly differs") as refused:
        build(files | {"golden.json": orjson.dumps(golden)}).check_golden()
    assert refused.value.check == "golden"


def test_parts_that_do_not_add_up_to_the_score_are_refused(trained: TrainedModel) -> None:
    files = trained.files() | {"model.onnx": with_metadata(trained.graph, "bias", "0.0")}
    with pytest.raises(ArtifactError, match="explanation differs") as refused:
        build(files).check_golden()
    assert refused.value.check == "golden"


@pytest.mark.parametrize(("key", "value"), [("bias", "much"), ("rarity", "{}"), ("rarity", '{"anomaly": [1]}')])
def test_metadata_without_what_explanations_need_are_a_format_error(
    trained: TrainedModel, key: str, value: str
) -> None:
    with pytest.raises(ArtifactError, match="metadata") as refused:
        build(trained.files() | {"model.onnx": with_metadata(trained.graph, key, value)})
    assert refused.value.check == "format"


@pytest.mark.parametrize("golden", [{}, {"vectors": [], "sequences": [], "expected": {}}, {"vectors": 3}])
def test_golden_vectors_that_cannot_be_scored_are_a_format_error(
    trained: TrainedModel, golden: dict[str, object]
) -> None:
    with pytest.raises(ArtifactError) as refused:
        build(trained.files() | {"golden.json": orjson.dumps(golden)}).check_golden()
    assert refused.value.check == "format"


def test_another_feature_schema_is_refused(trained: TrainedModel) -> None:
    with pytest.raises(ArtifactError) as refused:
        build(trained.files() | {"features.json": b'{"schema_hash": "other"}'})
    assert refused.value.check == "schema"


@pytest.mark.parametrize(
    "broken",
    [
        {"model.onnx": b"not a graph"},
        {"model.onnx": b""},
        {"thresholds.json": b"{}"},
        {"thresholds.json": b'{"review": 0.9, "decline": 0.1}'},
        {"thresholds.json": b'{"review": null, "decline": 1}'},
        {"features.json": b"[]"},
        {"golden.json": b"\xff"},
    ],
)
def test_an_unusable_file_is_a_format_error(trained: TrainedModel, broken: dict[str, bytes]) -> None:
    with pytest.raises(ArtifactError) as refused:
        build(trained.files() | broken)
    assert refused.value.check == "format"


def test_a_graph_of_another_shape_is_a_format_error(trained: TrainedModel) -> None:
    graph = onnx.load_from_string(trained.graph)
    graph.graph.output[0].name, graph.graph.node[-1].output[0] = "other", "other"
    with pytest.raises(ArtifactError) as refused:
        build(trained.files() | {"model.onnx": graph.SerializeToString()})
    assert refused.value.check == "format"


def test_a_scoring_process_imports_no_training_library() -> None:
    modules = (
        "ml.serving.runtime, ml.explanation.reasons, ml.features.kernel, ml.features.schema, "
        "ml.stores.features.features_redis, ml.serving.pipeline"
    )
    program = f"import sys, {modules}; print(*sorted(set({TRAINING_LIBRARIES!r}) & set(sys.modules)))"
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == ""
