from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.domain.errors import ArtifactError
from ml.features.schema import schema_hash
from ml.registry.administration import ModelAdministration
from ml.registry.artifacts import package
from ml.registry.artifacts.manifest import REQUIRED_FILES
from ml.registry.registry import ModelRegistry, OlderVersionError, RegistryError
from ml.stores.accepted_version.accepted_version_memory import MemoryAcceptedVersion
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.artifacts.artifact_trust import ArtifactTrust, TrustedKey
from security.audit.audit import AuditEvent, AuditUnavailableError
from security.audit.audit_memory import MemoryAuditLog

SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))
VERSIONS = [f"v2026112{number}T000000-000000" for number in range(4)]


class DeafAudit(MemoryAuditLog):
    def record(self, events: Sequence[AuditEvent]) -> None:  # noqa: ARG002 - the protocol's signature
        raise AuditUnavailableError("MongoDB does not answer for the audit")


class TestModelAdministration:
    @pytest.fixture(autouse=True)
    def _registry(self, tmp_path: Path) -> None:
        self.registry, self.mark, self.audit = ModelRegistry(tmp_path), MemoryAcceptedVersion(), MemoryAuditLog()
        for version in VERSIONS:
            package(
                dict.fromkeys(REQUIRED_FILES, b"x"),
                version=version,
                directory=tmp_path,
                keys=SIGNER,
                feature_schema_hash=schema_hash(),
                metrics={},
                code_version="test",
            )
        self.administration = self.with_verifier(SIGNER.verifier())

    def with_verifier(self, verifier: ArtifactVerifier, audit: MemoryAuditLog | None = None) -> ModelAdministration:
        return ModelAdministration(registry=self.registry, verifier=verifier, mark=self.mark, audit=audit or self.audit)

    def test_a_promotion_is_audited(self) -> None:
        self.administration.promote(VERSIONS[0], by="alice", reason="first")
        assert self.administration.promote(VERSIONS[1], by="bob", reason="better").champion == VERSIONS[1]
        events = sorted(self.audit.latest(5), key=lambda event: event.by)
        assert [(event.action, event.by, event.reason) for event in events] == [
            ("models.promoted", "alice", "first"),
            ("models.promoted", "bob", "better"),
        ]
        assert events[1].details == {"champion": VERSIONS[1], "before": VERSIONS[0]}

    @pytest.mark.parametrize("where", ["registry", "mark"])
    def test_an_older_version_than_either_mark_is_not_promoted(self, where: str) -> None:
        if where == "registry":
            self.registry.promote(VERSIONS[2])
        else:
            self.mark.raise_to(VERSIONS[2])
        with pytest.raises(OlderVersionError):
            self.administration.promote(VERSIONS[1], by="alice")
        assert self.audit.latest(5) == []

    def test_going_back_further_forgets_the_champions_between(self) -> None:
        for version in VERSIONS:
            self.registry.promote(version)
        self.mark.raise_to(VERSIONS[3])
        state = self.administration.roll_back(by="alice", version=VERSIONS[1], allow_older=True)
        assert (state.champion, state.previous) == (VERSIONS[1], (VERSIONS[0],))
        assert state.high_water_mark == self.mark.read() == VERSIONS[1]

    def test_going_back_must_be_allowed_and_lead_somewhere(self) -> None:
        with pytest.raises(RegistryError, match="no earlier champion"):
            self.administration.roll_back(by="alice", allow_older=True)
        for version in VERSIONS[:2]:
            self.registry.promote(version)
        with pytest.raises(OlderVersionError):
            self.administration.roll_back(by="alice")
        with pytest.raises(RegistryError, match="never champion"):
            self.administration.roll_back(by="alice", version=VERSIONS[3], allow_older=True)
        assert self.registry.champion() == VERSIONS[1]
        assert self.audit.latest(5) == []

    def test_a_revoked_version_comes_neither_forth_nor_back(self) -> None:
        trust = ArtifactTrust(
            {"key-1": TrustedKey(SIGNER.private_key.public_key())}, revoked_versions=frozenset({VERSIONS[0]})
        )
        administration = self.with_verifier(ArtifactVerifier(trust, SIGNER.encryption_key))
        with pytest.raises(ArtifactError, match="revoked"):
            administration.promote(VERSIONS[0], by="alice")
        for version in VERSIONS[:2]:
            self.registry.promote(version)
        with pytest.raises(ArtifactError, match="revoked"):
            administration.roll_back(by="alice", allow_older=True)
        assert self.registry.champion() == VERSIONS[1]

    def test_without_the_audit_nothing_is_changed(self) -> None:
        for version in VERSIONS[:2]:
            self.registry.promote(version)
        administration = self.with_verifier(SIGNER.verifier(), DeafAudit())
        with pytest.raises(AuditUnavailableError):
            administration.promote(VERSIONS[2], by="alice")
        with pytest.raises(AuditUnavailableError):
            administration.roll_back(by="alice", allow_older=True)
        assert self.registry.champion() == VERSIONS[1]
        assert self.mark.read() is None

    def test_events_carry_the_time(self) -> None:
        before = datetime.now(UTC)
        self.administration.promote(VERSIONS[0], by="alice")
        (event,) = self.audit.latest(1)
        assert abs((datetime.fromisoformat(event.at) - before).total_seconds()) < 60
