"""No room left: for Redis's append-only file, for MongoDB's files, for a new model."""

import os
import time

from ml.domain.errors import MlError
from ml.registry.registry import ModelRegistry
from ml.registry.release import open_version, release
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.faults.sinks import drained
from ops.proving.chaos.platform.disk import full_disk
from ops.proving.chaos.platform.stack import wait_for
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier


def fill_redis(scene: Scene) -> Struck:
    """Leaves the append-only file no room until requests are refused, and for a while longer."""
    server = scene.stack.servers.valkey
    struck = now()
    with full_disk(server.folder, [server.pid]) as how:
        wait_for(lambda: _refused_since(scene, struck) > 0, 30, "a refusal")
        time.sleep(scene.seconds(short=1.0, full=10.0))
    return Struck(now(), f"{how}; {_refused_since(scene, struck)} attempts refused meanwhile")


def fill_mongo(scene: Scene) -> Struck:
    """Leaves MongoDB no room for a while."""
    server, before = scene.stack.servers.mongo, scene.evidence.dead_letters()
    with full_disk(server.folder, [server.pid]) as how:
        wait_for(lambda: scene.evidence.undelivered() > 50, 60, "the outbox to grow")
        time.sleep(scene.seconds(short=4.0, full=30.0))
        waiting = scene.evidence.undelivered()
    problems = () if scene.evidence.dead_letters() == before else ("good entries went to the dead letters",)
    return drained(scene, now(), f"{how}; {waiting} entries waited at the end", problems)


def fill_registry(scene: Scene) -> Struck:
    """Leaves the model registry no room for a new version."""
    registry = ModelRegistry(scene.stack.settings.models_path)
    before = registry.state(), [info.version for info in registry.versions()]
    opened = open_version(
        str(registry.champion()), registry=registry, verifier=ArtifactVerifier.from_settings(scene.stack.settings)
    )
    signer = ArtifactSigner.from_settings(scene.stack.settings)
    problems: list[str] = []
    with full_disk(registry.path, [os.getpid()]) as how:
        try:
            release(opened.files, registry=registry, signer=signer, metrics={})
            problems.append("a version was released all the same")
        except (OSError, MlError) as error:
            reason = str(error)
    if (registry.state(), [info.version for info in registry.versions()]) != before:
        problems.append("the registry changed")
    release(opened.files, registry=registry, signer=signer, metrics={})
    return Struck(now(), f"{how}; refused: {reason.partition(':')[0]}", tuple(problems))


def _refused_since(scene: Scene, moment: float) -> int:
    return sum(one.status == 503 for one in scene.ledger.attempts() if one.started_at >= moment)


FAULTS = (
    Fault(
        "disk-full-redis",
        "503; nothing answered is lost; service is back with the room",
        fill_redis,
        recovery_seconds=30.0,
    ),
    Fault(
        "disk-full-mongo",
        "stored later, nothing given up; scoring does not notice",
        fill_mongo,
        recovery_seconds=None,
    ),
    Fault(
        "disk-full-registry",
        "the release fails with a reason and leaves no half version; scoring does not notice",
        fill_registry,
        recovery_seconds=None,
    ),
)
