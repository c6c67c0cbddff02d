from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.data.table import TransactionTable
from ml.domain.errors import ArtifactError
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES
from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.serving.runtime import ScoringModel
from ml.stores.training_source.training_source_memory import MemoryTrainingSource
from ml.training.drift_check import ALERT_INDEX, MINIMUM_ROWS, DriftReport, check_drift
from ml.training.trained_model import TrainedModel
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner

SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))
ROWS = 1500


@pytest.fixture
def registry(tmp_path: Path, trained: TrainedModel) -> ModelRegistry:
    registry = ModelRegistry(tmp_path / "models")
    registry.promote(release(trained.files(), registry=registry, signer=SIGNER, metrics={}).model.version)
    return registry


def _records(
    history: TransactionTable, model: ScoringModel, version: str | None, *, shift: dict[str, float] | None = None
) -> list[dict[str, Any]]:
    """Returns explanations of the last transactions as the model would have left them."""
    matrix = compute_features(history, np.arange(len(history) - ROWS, len(history)))
    scores = model.predict(matrix.vectors, matrix.sequences).score
    return [
        {
            "transaction_id": f"t{row}",
            "model_version": version,
            "scored_at": f"2026-11-23T15:45:00.{row % 1000:03d}Z",
            "score": float(scores[row]),
            "explanation": {
                "vector": {
                    name: float(matrix.vectors[row, column]) + (shift or {}).get(name, 0.0)
                    for column, name in enumerate(FEATURE_NAMES)
                }
            },
        }
        for row in range(ROWS)
    ]


def _check(registry: ModelRegistry, records: list[dict[str, Any]]) -> DriftReport:
    return check_drift(registry, MemoryTrainingSource(records), verifier=SIGNER.verifier())


def test_todays_decisions_are_compared_with_the_reference(
    registry: ModelRegistry, model: ScoringModel, history: TransactionTable
) -> None:
    report = _check(registry, _records(history, model, registry.champion()))
    assert (report.model_version, report.rows, report.skipped) == (registry.champion(), ROWS, None)
    assert report.features.keys() == set(FEATURE_NAMES)
    assert all(index >= 0 for index in report.features.values())
    assert report.score is not None
    assert set(report.drifted) == {name for name, index in report.features.items() if index >= ALERT_INDEX}
    assert report.is_score_drifted == (report.score >= ALERT_INDEX)


def test_a_feature_that_moved_is_named_first(
    registry: ModelRegistry, model: ScoringModel, history: TransactionTable
) -> None:
    steady = _check(registry, _records(history, model, registry.champion()))
    moved = _check(registry, _records(history, model, registry.champion(), shift={"amount": 1e6}))
    assert moved.drifted[0] == "amount"
    assert "amount" not in steady.drifted
    assert moved.score == steady.score


def test_decisions_of_another_version_are_not_compared(
    registry: ModelRegistry, model: ScoringModel, history: TransactionTable
) -> None:
    report = _check(registry, _records(history, model, "v20200101T000000-000000"))
    assert (report.rows, report.score, report.drifted) == (0, None, ())
    assert report.skipped == f"0 decisions are too few; {MINIMUM_ROWS} are needed"


def test_without_a_champion_nothing_is_compared(tmp_path: Path) -> None:
    report = check_drift(ModelRegistry(tmp_path), MemoryTrainingSource(), verifier=SIGNER.verifier())
    assert (report.model_version, report.skipped) == (None, "there is no champion yet")


def test_the_reference_of_a_tampered_champion_is_not_used(registry: ModelRegistry) -> None:
    path = registry.directory(str(registry.champion())) / "reference.json.sealed"
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(ArtifactError):
        _check(registry, [])
