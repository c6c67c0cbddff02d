from pathlib import Path

import numpy as np
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.errors import ArtifactError
from ml.features.offline import compute_features
from ml.registry import ModelRegistry
from ml.release import open_version, release
from ml.runtime import ScoringModel
from ml.table import TransactionTable
from ml.trained_model import TrainedModel
from security.artifact_keys import ArtifactSigner
from security.sealing import SealingKey

SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), SealingKey(bytes(32)))


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_released_version_scores_as_the_trained_model_does(
    registry: ModelRegistry, trained: TrainedModel, model: ScoringModel, history: TransactionTable
) -> None:
    released = release(trained.files(), registry=registry, signer=SIGNER, metrics=trained.summary())
    assert released.files == trained.files()
    matrix = compute_features(history, np.arange(len(history) - 50, len(history)))
    np.testing.assert_array_equal(
        released.model.predict(matrix.vectors, matrix.sequences).score,
        model.predict(matrix.vectors, matrix.sequences).score,
    )
    assert registry.champion() is None
    assert [info.version for info in registry.versions()] == [released.model.version]
    assert registry.versions()[0].metrics == trained.summary()


def test_versions_released_within_one_second_sort_by_release(registry: ModelRegistry, trained: TrainedModel) -> None:
    versions = [release(trained.files(), registry=registry, signer=SIGNER, metrics={}).model.version for _ in range(3)]
    assert versions == sorted(versions)
    for version in versions:
        registry.promote(version)


def test_a_model_that_misses_its_golden_outputs_never_becomes_a_version(
    registry: ModelRegistry, trained: TrainedModel
) -> None:
    files = trained.files()
    golden = orjson.loads(files["golden.json"])
    golden["expected"]["score"][0] += 0.1
    with pytest.raises(ArtifactError) as caught:
        release(files | {"golden.json": orjson.dumps(golden)}, registry=registry, signer=SIGNER, metrics={})
    assert caught.value.check == "golden"
    assert registry.versions() == []


def test_an_older_version_than_the_minimum_does_not_open(registry: ModelRegistry, trained: TrainedModel) -> None:
    version = release(trained.files(), registry=registry, signer=SIGNER, metrics={}).model.version
    verifier = SIGNER.verifier()
    assert open_version(version, registry=registry, verifier=verifier, minimum_version=version).model.version == version
    with pytest.raises(ArtifactError) as caught:
        open_version(version, registry=registry, verifier=verifier, minimum_version="v20990101T000000-000000")
    assert caught.value.check == "version"
