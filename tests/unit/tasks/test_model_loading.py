import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.registry import ModelRegistry
from ml.release import release
from ml.scoring import ModelSlot
from ml.trained_model import TrainedModel
from observability import metrics
from security.artifact_keys import ArtifactSigner
from security.safe_mode_memory import MemorySafeMode
from security.sealing import SealingKey
from tasks.model_loading import ModelKeeper, slot_version


def failures(check: str) -> float:
    return metrics.model_load_failures_total.labels(check=check)._value.get()


class TestModelKeeper:
    @pytest.fixture(autouse=True)
    def _keeper(self, trained: TrainedModel, tmp_path) -> None:
        self.files = trained.files()
        self.registry = ModelRegistry(tmp_path / "models")
        self.signer = ArtifactSigner("test-key", Ed25519PrivateKey.generate(), SealingKey(os.urandom(32)))
        self.slot = ModelSlot()
        self.safe_mode = MemorySafeMode()
        self.keeper = ModelKeeper(
            registry=self.registry,
            verifier=self.signer.verifier(),
            slot=self.slot,
            safe_mode=self.safe_mode,
            name="score-1",
        )

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
        self.signer = ArtifactSigner("test-key", Ed25519PrivateKey.generate(), self.signer.sealing_key)
        self.promote()
        self.keeper.refresh()
        assert self.slot.current is None
        assert "signature" in self.safe_mode.read().reason
