"""MESSAGE_KEY was changed without a rotation: everything stops, says why, and can be set going again."""

from pathlib import Path

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.domain.errors import ArtifactError
from ml.registry.administration import ModelAdministration
from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.serving.pipeline import ModelSlot
from ml.stores.accepted_version.accepted_version_redis import RedisAcceptedVersion
from ml.training.trained_model import TrainedModel
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner
from security.audit.audit_memory import MemoryAuditLog
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode import CachedSafeMode
from security.safe_mode.safe_mode_redis import RedisSafeMode
from tasks.model.loading import ModelKeeper, slot_version

OLD, NEW = MessageSigner(b"o" * 32), MessageSigner(b"n" * 32)
SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))


def test_safe_mode_that_a_changed_key_caused_can_be_left(
    redis_client: redis.Redis, trained: TrainedModel, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "models")
    version = release(trained.files(), registry=registry, signer=SIGNER, metrics={}).model.version
    registry.promote(version)
    RedisAcceptedVersion(redis_client, OLD).set_to(version)
    RedisSafeMode(redis_client, OLD).disable("admin")

    mark, switch, slot = RedisAcceptedVersion(redis_client, NEW), RedisSafeMode(redis_client, NEW), ModelSlot()
    verifier = SIGNER.verifier()
    keeper = ModelKeeper(registry=registry, verifier=verifier, slot=slot, safe_mode=switch, mark=mark, name="score-1")
    process = CachedSafeMode(switch, refresh_seconds=0)
    assert process.state().enabled
    keeper.refresh()
    assert slot_version(slot)() is None
    with pytest.raises(ArtifactError, match=r"without a rotation.*rollback VERSION --allow-older"):
        keeper.test()
    assert process.state().enabled

    administration = ModelAdministration(registry=registry, verifier=verifier, mark=mark, audit=MemoryAuditLog())
    administration.roll_back(by="alice", version=version, allow_older=True)
    keeper.test()
    switch.disable("alice", after=process.newest_since)
    assert not process.state().enabled
    assert slot_version(slot)() == version
    assert registry.champion() == mark.read() == version
