"""Turns a trained model's files into a version of the registry, checked before and after it is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml.features.schema import schema_hash
from ml.registry.artifacts import load, new_version, package
from ml.registry.code_version import code_version
from ml.registry.registry import ModelRegistry
from ml.serving.memory_guard import bounded_memory
from ml.serving.runtime import ScoringModel
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier


@dataclass(frozen=True)
class ServableVersion:
    """A version that passed every check a scoring worker makes.

    Attributes:
        model: ready to score.
        files: the verified content by name.
        key_id: of the key that signed it.
    """

    model: ScoringModel
    files: Mapping[str, bytes]
    key_id: str


def release(
    files: Mapping[str, bytes], *, registry: ModelRegistry, signer: ArtifactSigner, metrics: Mapping[str, float]
) -> ServableVersion:
    """Packages, signs and registers a new version without any alias, and returns it as read back from disk.

    Args:
        files: as `TrainedModel.files` gives them.
        registry: where the version goes.
        signer: the trainer's keys.
        metrics: finite figures for listings.

    Raises:
        ArtifactError: the model does not reproduce its golden outputs, or cannot be written; nothing is registered.
        RegistryError: the registry cannot be read.
    """
    version = new_version(after=registry.newest())
    # Before anything is written: a model that cannot be served must not become a version.
    with bounded_memory():
        ScoringModel.from_files(files, version=version, manifest_hash="").check_golden()
    package(
        files,
        version=version,
        directory=registry.path,
        keys=signer,
        feature_schema_hash=schema_hash(),
        metrics=metrics,
        code_version=code_version(),
    )
    return open_version(version, registry=registry, verifier=signer.verifier())


def open_version(
    version: str, *, registry: ModelRegistry, verifier: ArtifactVerifier, minimum_version: str | None = None
) -> ServableVersion:
    """Returns a registered version after every check, golden vectors included.

    Raises:
        ArtifactError: a check failed; `check` names it.
        RegistryError: the text is no version id.
    """
    artifact = load(
        registry.directory(version),
        verifier=verifier,
        feature_schema_hash=schema_hash(),
        minimum_version=minimum_version,
    )
    with bounded_memory():
        model = ScoringModel.from_files(artifact.files, version=artifact.version, manifest_hash=artifact.manifest_hash)
        model.check_golden()
    return ServableVersion(model, artifact.files, artifact.manifest.key_id)
