import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.registry.registry import ModelRegistry, RegistryError
from ml.registry.release import release
from ml.serving.pipeline import ModelSlot
from ml.stores.accepted_version.accepted_version_memory import MemoryAcceptedVersion
from ml.training.trained_model import TrainedModel
from observability import metrics
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.artifacts.artifact_trust import ArtifactTrust, TrustedKey
from security.safe_mode.safe_mode_memory import MemorySafeMode
from tasks.model.loading import ModelKeeper, slot_version


def failures(check: str) -> float:
    return metrics.model_load_failures_total.labels(check=check)._value.get()


class TestModelKeeper:
    @pytest.fixture(autouse=True)
    def _keeper(self, trained: TrainedModel, tmp_path) -> None:
        self.files = trained.files()
        self.registry = ModelRegistry(tmp_path / "models")
        self.signer = ArtifactSigner("test-key", Ed25519PrivateKey.generate(), EncryptionKey(os.urandom(32)))
        self.slot = ModelSlot()
        self.safe_mode = MemorySafeMode()
        self.mark = MemoryAcceptedVersion()
        self.revoked: set[str] = set()
        self.keeper = ModelKeeper(
            registry=self.registry,
            verifier=ArtifactVerifier(self, self.signer.encryption_key),
            slot=self.slot,
            safe_mode=self.safe_mode,
            mark=self.mark,
            name="score-1",
        )

    def current(self) -> ArtifactTrust:
        """See `TrustSource.current`."""
        key = TrustedKey(self.signer.private_key.public_key())
        revoked = frozenset(self.revoked)
        return ArtifactTrust({self.signer.key_id: key}, revoked_keys=revoked, revoked_versions=revoked)

    def promote(self) -> str:
        version = release(self.files, registry=self.registry, signer=self.signer, metrics={}).model.version
        self.registry.promote(version)
        return version

    def corrupt(self, version: str) -> None:
        sealed = next(
            path for path in sorted(self.registry.directory(version).iterdir()) if path.name.startswith("model.onnx")
        )
        content = bytearray(sealed.read_bytes())
        content[len(content) // 2] ^= 1
        sealed.write_bytes(content)

    def test_loads_the_champion(self) -> None:
        version = self.promote()
        self.keeper.refresh()
        assert slot_version(self.slot)() == version
        assert not self.safe_mode.read().enabled

    def test_waits_without_alarm_while_there_is_no_champion(self) -> None:
        self.keeper.refresh()
        assert slot_version(self.slot)() is None
        assert not self.safe_mode.read().enabled

    def test_swaps_to_a_new_champion_and_keeps_the_model_otherwise(self) -> None:
        self.promote()
        self.keeper.refresh()
        first = self.slot.current
        self.keeper.refresh()
        assert self.slot.current is first
        second = self.promote()
        self.keeper.refresh()
        assert slot_version(self.slot)() == second

    def test_a_corrupted_champion_without_a_serving_model_enters_safe_mode(self) -> None:
        before = failures("hash")
        version = self.promote()
        self.corrupt(version)
        self.keeper.refresh()
        assert self.slot.current is None
        state = self.safe_mode.read()
        assert state.enabled
        assert version in state.reason
        assert state.by == "score-1"
        assert failures("hash") == before + 1

    def test_a_corrupted_champion_leaves_the_serving_model_in_place(self) -> None:
        serving = self.promote()
        self.keeper.refresh()
        self.corrupt(self.promote())
        before = failures("hash")
        for _ in range(3):
            self.keeper.refresh()
        assert slot_version(self.slot)() == serving
        assert not self.safe_mode.read().enabled
        assert failures("hash") == before + 1

    def test_a_champion_signed_by_another_key_is_refused(self) -> None:
        known = self.signer
        self.signer = ArtifactSigner("test-key", Ed25519PrivateKey.generate(), known.encryption_key)
        self.promote()
        self.signer = known
        self.keeper.refresh()
        assert self.slot.current is None
        assert "signature" in self.safe_mode.read().reason

    def test_what_was_accepted_once_forbids_older_ones_even_if_the_registry_forgets(self) -> None:
        first, second = self.promote(), self.promote()
        self.keeper.refresh()
        assert self.mark.read() == second
        state = self.registry.path / "registry.json"
        state.write_text(f'{{"champion": "{first}", "high_water_mark": "{first}"}}')
        before = failures("version")
        self.keeper.refresh()
        assert slot_version(self.slot)() == second
        assert failures("version") == before + 1

    def test_an_administrator_s_way_back_is_taken(self) -> None:
        first, second = self.promote(), self.promote()
        self.keeper.refresh()
        self.mark.set_to(first)
        self.registry.rollback()
        self.keeper.refresh()
        assert slot_version(self.slot)() == first
        assert second != first

    @pytest.mark.parametrize("what", ["version", "key"])
    def test_a_serving_model_that_is_revoked_is_withdrawn_and_comes_not_back(self, what: str) -> None:
        before = failures("revoked")
        version = self.promote()
        self.keeper.refresh()
        self.revoked.add(version if what == "version" else "test-key")
        for _ in range(3):
            self.keeper.refresh()
        assert self.slot.current is None
        assert "was revoked" in self.safe_mode.read().reason
        assert failures("revoked") == before + 1
        self.safe_mode.disable("admin")
        self.keeper.refresh()
        assert self.slot.current is None
        assert self.safe_mode.read().enabled

    def test_leaving_safe_mode_brings_a_mended_model_back(self) -> None:
        version = self.promote()
        directory = self.registry.directory(version)
        directory.rename(directory.with_name("away"))
        self.keeper.refresh()
        directory.with_name("away").rename(directory)
        self.keeper.refresh()
        assert self.slot.current is None  # nobody said that it is mended
        self.safe_mode.disable("admin")
        self.keeper.refresh()
        assert slot_version(self.slot)() == version
        assert not self.safe_mode.read().enabled

    def test_leaving_safe_mode_with_a_broken_model_enters_it_again(self) -> None:
        self.corrupt(self.promote())
        before = failures("hash")
        self.keeper.refresh()
        self.safe_mode.disable("admin")
        for _ in range(3):
            self.keeper.refresh()
        assert self.safe_mode.read().enabled
        assert failures("hash") == before + 2

    def test_a_broken_registry_is_reported_once_and_again_after_safe_mode_was_left(self) -> None:
        self.registry.path.mkdir(parents=True)
        (self.registry.path / "registry.json").write_text("{")
        before = failures("registry")
        for _ in range(3):
            self.keeper.refresh()
        assert failures("registry") == before + 1
        self.safe_mode.disable("admin")
        self.keeper.refresh()
        assert failures("registry") == before + 2

    def test_the_test_opens_the_champion_anew_and_serves_it_if_nothing_does(self) -> None:
        with pytest.raises(RegistryError, match="no champion"):
            self.keeper.test()
        version = self.promote()
        self.keeper.test()
        serving = self.slot.current
        assert slot_version(self.slot)() == version
        self.keeper.test()
        assert self.slot.current is serving
        self.corrupt(version)
        with pytest.raises(ArtifactError):
            self.keeper.test()
        assert self.slot.current is serving

    def test_without_the_mark_nothing_is_loaded_and_nothing_alarmed(self) -> None:
        version = self.promote()
        self.keeper._mark = UnreachableMark()
        self.keeper.refresh()
        assert self.slot.current is None
        assert not self.safe_mode.read().enabled
        self.keeper._mark = self.mark
        self.keeper.refresh()
        assert slot_version(self.slot)() == version


class UnreachableMark(MemoryAcceptedVersion):
    def read(self) -> str | None:
        raise StoreUnavailableError("Redis is unavailable")
