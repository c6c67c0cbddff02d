"""A model version whose file was spoilt is promoted."""

from functools import partial
from http.client import HTTPConnection

from ml.registry.artifacts.manifest import MANIFEST_NAME
from ml.registry.registry import ModelRegistry
from ml.registry.release import open_version, release
from ops.processes.ports import LOOPBACK
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import wait_for
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier

_WORKERS = ("score-1", "score-2")


def corrupt(scene: Scene) -> Struck:
    """Promotes a copy of the champion with one bit turned, waits until both workers refuse it, and rolls back."""
    registry = ModelRegistry(scene.stack.settings.models_path)
    champion = registry.champion()
    assert champion is not None  # noqa: S101 - the stack would not have started
    opened = open_version(champion, registry=registry, verifier=ArtifactVerifier.from_settings(scene.stack.settings))
    signer = ArtifactSigner.from_settings(scene.stack.settings)
    spoilt = release(opened.files, registry=registry, signer=signer, metrics={}).model.version
    _turn_a_bit(registry, spoilt)
    refusals = {name: _refusals(scene, name) for name in _WORKERS}
    registry.promote(spoilt)
    begun = now()
    try:
        for name, before in refusals.items():
            wait_for(partial(_has_refused, scene, name, before), 30, f"the refusal by {name}")
        wait_for(lambda: scene.ledger.answered_since(begun) > 20, 30, "answers meanwhile")
    finally:
        registry.rollback()
    versions = {answer["model_version"] for sent in scene.ledger.all() for answer in sent.answers}
    problems = () if versions == {champion} else (f"answers came from {sorted(versions)}",)
    return Struck(now(), "refused and counted by both workers, which served on", problems)


def _turn_a_bit(registry: ModelRegistry, version: str) -> None:
    """Spoils the largest file that the manifest names."""
    files = [file for file in registry.directory(version).iterdir() if file.name != MANIFEST_NAME]
    file = max(files, key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


def _has_refused(scene: Scene, name: str, before: float) -> bool:
    return _refusals(scene, name) > before


def _refusals(scene: Scene, name: str) -> float:
    """Returns how many model loads a worker has refused, by its own metrics."""
    connection = HTTPConnection(LOOPBACK, scene.stack.process(name).port or 0, timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    lines = [line for line in text.splitlines() if line.startswith("model_load_failures_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


FAULTS = (
    Fault(
        "model-corrupted",
        "the old model serves on; each worker counts the refusal; no request fails",
        corrupt,
        recovery_seconds=None,
    ),
)
