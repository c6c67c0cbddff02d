from dataclasses import replace

import numpy as np
import orjson
import pytest

from ml.artifacts.manifest import REQUIRED_FILES
from ml.drift import Reference
from ml.errors import ArtifactError, DataError
from ml.features.schema import FEATURE_NAMES, schema_hash
from ml.model.gradient_boosting import Node
from ml.table import TransactionTable
from ml.trained_model import TrainedModel
from ml.training import TrainingSettings, train
from ml.training_window import TrainingWindow


def test_a_training_yields_every_file_of_a_version(trained: TrainedModel) -> None:
    assert trained.files().keys() == REQUIRED_FILES


def test_the_same_data_and_seed_give_the_same_bytes(
    history: TransactionTable, window: TrainingWindow, quick_settings: TrainingSettings, trained: TrainedModel
) -> None:
    again = train(history, window=window, settings=quick_settings)
    assert again.graph == trained.graph
    assert again.files() == trained.files()


def test_what_comes_after_the_evaluation_changes_nothing(
    history: TransactionTable, quick_settings: TrainingSettings
) -> None:
    window = TrainingWindow.before(int(history.epoch_seconds[-1]) - 5 * 86_400, days=18)
    whole = train(history, window=window, settings=quick_settings)
    cut = train(history.between(0, window.evaluation_end), window=window, settings=quick_settings)
    assert whole.files() == cut.files()


def test_the_fused_score_ranks_far_better_than_chance(trained: TrainedModel) -> None:
    quality = trained.measurement.quality["score"]
    assert trained.measurement.slice == "evaluation"
    assert quality.average_precision > 5 * quality.base_rate


def test_progress_names_every_stage_and_ends_each_at_one(
    history: TransactionTable, window: TrainingWindow, quick_settings: TrainingSettings
) -> None:
    seen: dict[str, float] = {}
    train(history, window=window, settings=quick_settings, progress=lambda stage, share: seen.update({stage: share}))
    assert list(seen) == [
        "features", "gradient boosting", "isolation forest", "autoencoder", "sequence", "fusion", "evaluation",
    ]  # fmt: skip
    assert set(seen.values()) == {1.0}


def test_without_an_evaluation_slice_the_calibration_slice_is_measured(
    history: TransactionTable, quick_settings: TrainingSettings
) -> None:
    window = TrainingWindow.before(int(history.epoch_seconds[-1]) + 1, days=28, evaluation_days=0)
    assert train(history, window=window, settings=quick_settings).measurement.slice == "calibration"


def test_files_tell_how_the_model_came_about(trained: TrainedModel, window: TrainingWindow) -> None:
    files = trained.files()
    training, metrics = orjson.loads(files["training.json"]), orjson.loads(files["metrics.json"])
    assert training["window"] == window.wire()
    assert training["settings"]["seed"] == 1
    assert training["rows"]["fit"] > training["frauds"]["fit"] > 0
    assert metrics["components"].keys() == {"score", "tabular", "anomaly", "autoencoder", "sequence"}
    assert metrics["summary"] == trained.summary()
    assert orjson.loads(files["features.json"])["schema_hash"] == schema_hash()
    assert tuple(Reference.from_json(files["reference.json"]).features) == tuple(sorted(FEATURE_NAMES))


def test_history_without_fraud_is_refused(history: TransactionTable, window: TrainingWindow) -> None:
    honest = replace(history, is_fraud=np.zeros(len(history), np.int8))
    with pytest.raises(DataError, match="known frauds"):
        train(honest, window=window)


def test_a_graph_that_does_not_score_as_trained_is_never_released(
    history: TransactionTable,
    window: TrainingWindow,
    quick_settings: TrainingSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As if the library had changed how it writes its trees down.
    monkeypatch.setattr("ml.model.gradient_boosting._nodes", lambda _tree: [Node(-1, 0.0, -1, -1, 0.5)])
    with pytest.raises(ArtifactError, match="tabular component differs"):
        train(history, window=window, settings=quick_settings)
