from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import helper, numpy_helper

from ml.data.table import TransactionTable
from ml.domain.errors import ArtifactError
from ml.features.offline import compute_features
from ml.features.schema import schema_hash
from ml.registry.artifacts import new_version, package
from ml.registry.registry import ModelRegistry
from ml.registry.release import open_version, release
from ml.serving.runtime import ScoringModel
from ml.training.trained_model import TrainedModel
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner

SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))


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


def graph_with(content: bytes, *nodes: onnx.NodeProto, term: str, **constants: np.ndarray) -> bytes:
    """Returns the graph with some nodes more, and what they compute as `term` added to its score."""
    made = onnx.load_from_string(content)
    for node in made.graph.node:
        node.output[:] = ["honest" if name == "score" else name for name in node.output]
        node.input[:] = ["honest" if name == "score" else name for name in node.input]
    made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    made.graph.node.extend([*nodes, helper.make_node("Add", ["honest", term], ["score"])])
    return made.SerializeToString()


def doubling(content: bytes) -> bytes:
    """A kilobyte more, and terabytes when it runs."""
    nodes = [helper.make_node("Concat", ["vectors", "vectors"], ["c0"], axis=0)]
    nodes += [helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(40)]
    nodes += [
        helper.make_node("ReduceSum", ["c40"], ["all"], keepdims=0),
        helper.make_node("Mul", ["all", "no"], ["t"]),
    ]
    return graph_with(content, *nodes, term="t", no=np.zeros((), np.float32))


def broadcast(content: bytes) -> bytes:
    """A few hundred kilobytes more, and 160 GB as soon as anything multiplies them."""
    nodes = [
        helper.make_node("Mul", ["a", "b"], ["all"]),
        helper.make_node("ReduceSum", ["all"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "no"], ["t"]),
    ]
    side = np.ones(200_000, np.float32)
    return graph_with(content, *nodes, term="t", a=side[:, None], b=side[None, :], no=np.zeros((), np.float32))


def not_a_number(content: bytes) -> bytes:
    return graph_with(content, helper.make_node("Log", ["below"], ["t"]), term="t", below=np.float32(-1.0).reshape(()))


def loop(content: bytes) -> bytes:
    return graph_with(content, helper.make_node("Loop", ["no"], ["t"]), term="t", no=np.zeros((), np.float32))


@pytest.mark.parametrize("change", [doubling, broadcast, not_a_number, loop])
def test_a_graph_that_would_eat_the_machine_or_makes_no_sense_is_refused_though_it_is_signed(
    registry: ModelRegistry, trained: TrainedModel, change: Callable[[bytes], bytes]
) -> None:
    files = trained.files()
    files |= {"model.onnx": change(files["model.onnx"])}
    with pytest.raises(ArtifactError):
        release(files, registry=registry, signer=SIGNER, metrics={})
    assert registry.versions() == []
    version = new_version()
    package(
        files,
        version=version,
        directory=registry.path,
        keys=SIGNER,
        feature_schema_hash=schema_hash(),
        metrics={},
        code_version="test",
    )
    with pytest.raises(ArtifactError) as caught:
        open_version(version, registry=registry, verifier=SIGNER.verifier())
    assert caught.value.check == ("golden" if change is not_a_number else "format")


def test_a_schema_of_other_features_is_refused(registry: ModelRegistry, trained: TrainedModel) -> None:
    files = trained.files()
    features = orjson.loads(files["features.json"]) | {"schema_hash": "0" * 64}
    with pytest.raises(ArtifactError) as caught:
        release(files | {"features.json": orjson.dumps(features)}, registry=registry, signer=SIGNER, metrics={})
    assert caught.value.check == "schema"
