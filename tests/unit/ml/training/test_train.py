import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from ml.data.table import Column, TransactionTable
from ml.domain.errors import ArtifactError, DataError
from ml.features.schema import FEATURE_NAMES, schema_hash
from ml.model.fusion import COMPONENTS
from ml.model.gradient_boosting import Node
from ml.registry.artifacts.manifest import REQUIRED_FILES
from ml.serving.runtime import ScoringModel
from ml.training.drift import Reference
from ml.training.train import TrainingSettings, train
from ml.training.trained_model import TrainedModel
from ml.training.window import TrainingWindow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]


def test_a_training_yields_every_file_of_a_version(trained: TrainedModel) -> None:
    assert trained.files().keys() == REQUIRED_FILES


@dataclass(frozen=True)
class Again:
    """A second training on the same data, and the share of each stage that it reported last."""

    model: TrainedModel
    progress: dict[str, float]


@pytest.fixture(scope="module")
def again(history: TransactionTable, window: TrainingWindow, quick_settings: TrainingSettings) -> Again:
    seen: dict[str, float] = {}
    model = train(
        history, window=window, settings=quick_settings, progress=lambda stage, share: seen.update({stage: share})
    )
    return Again(model, seen)


def test_the_same_data_and_seed_give_the_same_bytes(again: Again, trained: TrainedModel) -> None:
    assert again.model.graph == trained.graph
    assert again.model.files() == trained.files()


def test_another_process_gives_the_same_bytes(trained: TrainedModel) -> None:
    """As manifests hold the hashes of the files, they are the same too; sets and hashes differ between processes."""
    script = """
import hashlib
from ml.model.gradient_boosting import BoostingSettings
from ml.data.simulator import simulate
from ml.training.train import TrainingSettings, train
from ml.training.window import TrainingWindow

history = simulate(customers=200, terminals=300, days=40, seed=5)
settings = TrainingSettings(
    seed=1, threads=1, boosting=BoostingSettings(trees=30, depth=4), autoencoder_epochs=1, sequence_epochs=1
)
trained = train(history, window=TrainingWindow.before(int(history.epoch_seconds[-1]) + 1, days=20), settings=settings)
for name, content in sorted(trained.files().items()):
    print(name, hashlib.sha256(content).hexdigest())
"""
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    here = {name: hashlib.sha256(content).hexdigest() for name, content in trained.files().items()}
    assert dict(line.split() for line in run.stdout.splitlines()) == here


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


def test_progress_names_every_stage_and_ends_each_at_one(again: Again) -> None:
    assert list(again.progress) == [
        "features", "gradient boosting", "isolation forest", "autoencoder", "sequence", "fusion", "refit", "evaluation",
    ]  # fmt: skip
    assert set(again.progress.values()) == {1.0}


def test_without_an_evaluation_slice_the_calibration_slice_is_measured(
    history: TransactionTable, quick_settings: TrainingSettings
) -> None:
    window = TrainingWindow.before(int(history.epoch_seconds[-1]) + 1, days=28, evaluation_days=0)
    trained = train(history, window=window, settings=quick_settings)
    assert trained.measurement.slice == "calibration"
    assert any("no evaluation days" in warning for warning in trained.record["warnings"])
    # The released model has learnt these rows by heart; what is measured is the fit that had not seen them.
    measured = trained.evidence.measured
    np.testing.assert_array_equal(measured.outputs["score"], trained.evidence.calibration.outputs["score"])


def test_the_released_model_has_learnt_from_the_newest_days_too(trained: TrainedModel, model: ScoringModel) -> None:
    """Its golden rows are of the calibration slice, and it says something else of them than the first fit did."""
    golden = trained.golden
    served = model.predict(golden.vectors, golden.sequences)
    np.testing.assert_allclose(served.score, golden.outputs["score"], atol=1e-6)
    first_fit = np.sort(trained.evidence.calibration.outputs["tabular"])
    assert not np.isin(golden.outputs["tabular"], first_fit).all()


def test_a_column_missing_in_the_data_warns_and_trains(
    history: TransactionTable, window: TrainingWindow, quick_settings: TrainingSettings
) -> None:
    table = replace(history, device_id=Column.constant(None, len(history)))
    trained = train(table, window=window, settings=quick_settings)
    (warning,) = trained.record["warnings"]
    assert "is_new_device" in warning
    assert orjson.loads(trained.files()["training.json"])["warnings"] == [warning]


def test_the_fusion_is_on_record(trained: TrainedModel) -> None:
    fusion = orjson.loads(trained.files()["training.json"])["fusion"]
    assert fusion["weights"].keys() == set(COMPONENTS)
    assert 0.0 < fusion["novelty_share"] <= 0.5


def test_files_record_how_the_model_was_trained(trained: TrainedModel, window: TrainingWindow) -> None:
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
