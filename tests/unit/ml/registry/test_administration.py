from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.domain.errors import ArtifactError
from ml.features.schema import schema_hash
from ml.registry.administration import ModelAdministration
from ml.registry.artifacts import package
from ml.registry.artifacts.manifest import REQUIRED_FILES
from ml.registry.registry import (
    STATE_NAME,
    ChampionChangedError,
    ModelRegistry,
    OlderVersionError,
    RegistryError,
    RegistryState,
)
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


class OvertakenAudit(MemoryAuditLog):
    """Does something after the first event, as another administrator might at that moment."""

    on_record: Callable[[], object] | None = None

    def record(self, events: Sequence[AuditEvent]) -> None:
        super().record(events)
        act, self.on_record = self.on_record, None
        if act is not None:
            act()


class ForgedAcceptedVersion(MemoryAcceptedVersion):
    """A mark that a stranger wrote, until it is set."""

    def read(self) -> str | None:
        version = super().read()
        if version is None:
            raise ArtifactError("version", "the last accepted version in Redis was altered by a stranger")
        return version


class TestModelAdministration:
    @pytest.fixture(autouse=True)
    def _registry(self, tmp_path: Path) -> None:
        self.registry, self.mark, self.audit = ModelRegistry(tmp_path), MemoryAcceptedVersion(), OvertakenAudit()
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
            self.mark.set_to(VERSIONS[2])
        with pytest.raises(OlderVersionError):
            self.administration.promote(VERSIONS[1], by="alice")
        assert self.audit.latest(5) == []

    def test_going_back_further_forgets_the_champions_between(self) -> None:
        for version in VERSIONS:
            self.registry.promote(version)
        self.mark.set_to(VERSIONS[3])
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

    @pytest.mark.parametrize("redis_mark", [None, "forged", *VERSIONS])
    def test_no_state_closes_both_ways_to_a_version(self, redis_mark: str | None) -> None:
        for champion, registry_mark, version in product(VERSIONS[:3], (None, *VERSIONS), VERSIONS):
            state = RegistryState(champion=champion, previous=(VERSIONS[0],), high_water_mark=registry_mark)
            (self.registry.path / STATE_NAME).write_text(state.model_dump_json())
            self.mark = ForgedAcceptedVersion() if redis_mark == "forged" else MemoryAcceptedVersion()
            if redis_mark in VERSIONS:
                self.mark.set_to(redis_mark)
            administration = self.with_verifier(SIGNER.verifier())
            try:
                administration.promote(version, by="alice")
            except (OlderVersionError, ArtifactError):
                administration.roll_back(by="alice", version=version, allow_older=True)
                assert self.mark.read() == self.registry.state().high_water_mark == version
            assert self.registry.champion() == version

    def test_a_kept_challenger_can_take_the_place_of_a_newer_champion(self) -> None:
        for version in (VERSIONS[0], VERSIONS[3]):
            self.registry.promote(version)
        with pytest.raises(OlderVersionError, match="roll back instead"):
            self.administration.promote(VERSIONS[1], by="alice")
        state = self.administration.roll_back(by="alice", version=VERSIONS[1], allow_older=True)
        assert (state.champion, state.previous) == (VERSIONS[1], (VERSIONS[0], VERSIONS[3]))

    def test_a_decision_on_an_outdated_view_changes_nothing(self) -> None:
        seen = self.administration.promote(VERSIONS[0], by="alice")
        self.administration.promote(VERSIONS[1], by="bob")
        with pytest.raises(ChampionChangedError, match=VERSIONS[1]):
            self.administration.promote(VERSIONS[2], by="retraining", over=seen)
        assert self.registry.champion() == VERSIONS[1]
        assert {event.by for event in self.audit.latest(5)} == {"alice", "bob"}

    def test_a_promotion_that_another_one_overtook_is_audited_as_not_made(self) -> None:
        self.registry.promote(VERSIONS[0])
        self.audit.on_record = lambda: self.registry.promote(VERSIONS[1])
        with pytest.raises(ChampionChangedError):
            self.administration.promote(VERSIONS[2], by="alice")
        assert {event.action for event in self.audit.latest(5)} == {"models.promoted", "models.not_promoted"}
        assert self.registry.champion() == VERSIONS[1]

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
