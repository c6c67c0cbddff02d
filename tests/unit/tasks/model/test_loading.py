import errno
import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.registry.administration import ModelAdministration
from ml.registry.registry import ModelRegistry, RegistryError
from ml.registry.release import release
from ml.serving.pipeline import ModelSlot
from ml.stores.accepted_version.accepted_version_memory import MemoryAcceptedVersion
from ml.training.trained_model import TrainedModel
from observability import metrics
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.artifacts.artifact_trust import ArtifactTrust, TrustedKey
from security.audit.audit_memory import MemoryAuditLog
from security.safe_mode.safe_mode import SafeModeState, SafeModeUnavailableError
from security.safe_mode.safe_mode_memory import MemorySafeMode
from tasks.model.attempts import Attempts
from tasks.model.loading import ModelKeeper, OpenedModel, open_champion, slot_version


def once(action: Callable[[], object]) -> Callable[[], object]:
    """Returns an action that does nothing from its second call on."""
    waiting = [action]

    def act() -> None:
        if waiting:
            waiting.pop()()

    return act


def raise_file_error(number: int) -> None:
    try:
        raise OSError(number, os.strerror(number))
    except OSError as error:
        raise ArtifactError("files", f"model.onnx.sealed cannot be read: {error.strerror}") from error


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
            open_model=self.open_model,
            turn=self,
        )
        self.keeper._attempts = Attempts(lambda: self.now)

    now = 1000.0
    """Monotonic seconds, as the keeper's attempts see them."""

    before_opening: Callable[[], object] = staticmethod(lambda: None)
    after_opening: Callable[[], object] = staticmethod(lambda: None)

    def open_model(self, version: str, **sources: Any) -> OpenedModel:
        self.before_opening()
        opened = open_champion(version, **sources)
        self.after_opening()
        return opened

    turn_is_free = True

    def take(self) -> bool:
        """See `LoadTurn.take`."""
        return self.turn_is_free

    def give_back(self) -> None:
        """See `LoadTurn.give_back`."""

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

    def roll_back(self) -> None:
        administration = ModelAdministration(
            registry=self.registry, verifier=self.signer.verifier(), mark=self.mark, audit=MemoryAuditLog()
        )
        administration.roll_back(by="alice", allow_older=True)

    @pytest.mark.parametrize("moment", ["before_opening", "after_opening"])
    @pytest.mark.parametrize("is_serving", [True, False])
    def test_a_rollback_during_a_load_stands(self, moment: str, is_serving: bool) -> None:  # noqa: FBT001 - a parameter
        first = self.promote()
        if is_serving:
            self.keeper.refresh()
        self.promote()
        setattr(self, moment, once(self.roll_back))
        self.keeper.refresh()
        assert self.mark.read() == first
        for _ in range(3):
            self.now += 60
            self.keeper.refresh()
        assert slot_version(self.slot)() == first
        assert self.mark.read() == self.registry.state().high_water_mark == first
        assert not self.safe_mode.read().enabled

    @pytest.mark.parametrize("call", ["_mark.set_to", "_registry.rollback"])
    def test_a_load_that_begins_and_ends_within_a_rollback_does_not_raise_the_mark(self, call: str) -> None:
        first = self.promote()
        self.keeper.refresh()
        self.promote()
        administration = ModelAdministration(
            registry=self.registry, verifier=self.signer.verifier(), mark=self.mark, audit=MemoryAuditLog()
        )
        owner, name = attrgetter(call.rpartition(".")[0])(administration), call.rpartition(".")[2]
        original = getattr(owner, name)

        def and_load(version: str) -> Any:
            result = original(version)
            self.keeper.refresh()
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, and_load)
            administration.roll_back(by="alice", allow_older=True)
        self.now += 60
        self.keeper.refresh()
        assert slot_version(self.slot)() == self.mark.read() == self.registry.champion() == first

    def test_a_test_that_a_rollback_overtakes_serves_nothing_old(self) -> None:
        first, second = self.promote(), self.promote()
        self.after_opening = once(self.roll_back)
        self.keeper.test()
        assert slot_version(self.slot)() is None
        assert (self.mark.read(), second > first) == (first, True)

    @pytest.mark.parametrize("is_serving", [True, False])
    def test_a_file_error_of_a_moment_is_retried_and_alarms_nobody(self, is_serving: bool) -> None:  # noqa: FBT001 - a parameter
        if is_serving:
            self.promote()
            self.keeper.refresh()
        version = self.promote()
        self.before_opening = once(lambda: raise_file_error(errno.EIO))
        self.keeper.refresh()
        assert slot_version(self.slot)() != version
        self.now += 2
        self.keeper.refresh()
        assert slot_version(self.slot)() == version
        assert not self.safe_mode.read().enabled

    def test_a_file_error_that_does_not_pass_enters_safe_mode(self) -> None:
        self.promote()
        self.before_opening = lambda: raise_file_error(errno.EIO)
        for _ in range(3):
            assert not self.safe_mode.read().enabled
            self.keeper.refresh()
        assert self.safe_mode.read().enabled

    def test_a_file_that_is_absent_or_a_link_alarms_at_once(self) -> None:
        for number in (errno.ENOENT, errno.ELOOP):
            self.promote()
            self.before_opening = partial(raise_file_error, number)
            self.keeper.refresh()
            assert self.safe_mode.read().enabled
            self.safe_mode.disable("admin")

    def test_a_version_that_stays_broken_is_tried_ever_more_rarely(self) -> None:
        self.promote()
        self.keeper.refresh()
        self.corrupt(self.promote())
        before, tries = failures("hash"), []
        for second in range(200):
            self.now = 1000.0 + second
            known = failures("hash")
            self.keeper.refresh()
            tries += [second] if failures("hash") > known else []
        assert tries == [0, 2, 6, 14, 30, 62, 122, 182]
        assert failures("hash") == before + len(tries)

    def test_repeated_failures_are_audited_once(self) -> None:
        self.corrupt(self.promote())
        for _ in range(5):
            self.keeper.refresh()
            self.safe_mode.note_refusal("a self-test failed", "admin")
            self.now += 60
        assert [event.action for event in self.safe_mode.events(50)].count("enabled") == 1

    def test_a_process_that_serves_waits_for_its_turn_but_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = self.promote()
        self.turn_is_free = False
        self.keeper.refresh()
        assert slot_version(self.slot)() == first  # nothing served, so there was nothing to wait for
        second = self.promote()
        self.keeper.refresh()
        assert slot_version(self.slot)() == first
        monkeypatch.setattr("tasks.model.load_turn.LONGEST_WAIT_SECONDS", -1.0)
        self.keeper.refresh()
        assert slot_version(self.slot)() == second

    def test_a_model_that_no_longer_computes_the_same_is_withdrawn_loudly(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        version, before = self.promote(), failures("golden")
        self.keeper.refresh()
        self.keeper.check_serving()
        assert self.slot.current is not None
        self.slot.current._golden["expected"]["score"][0] += 0.01
        with caplog.at_level(logging.CRITICAL):
            self.keeper.check_serving()
        assert self.slot.current is None
        state = self.safe_mode.read()
        assert state.enabled
        assert version in state.reason
        assert "differs from its golden value" in state.reason
        assert self.safe_mode.events(1)[0].by == "score-1"
        assert failures("golden") == before + 1
        assert any(record.message == "model refused" for record in caplog.records)
        self.now += 2
        self.keeper.refresh()  # the file is as good as ever, but only an administrator ends SAFE MODE
        assert slot_version(self.slot)() == version
        assert self.safe_mode.read().enabled

    def test_a_golden_run_that_fails_once_is_repeated_and_one_that_fails_twice_convicts(self) -> None:
        self.promote()
        self.keeper.refresh()
        serving = self.slot.current
        assert serving is not None
        for failing_runs, stays in ((1, True), (2, False)):
            errors: Iterator[Exception | None] = iter([MemoryError()] * failing_runs + [None] * 5)
            original = serving._session.run
            serving._session = FailingSession(original, errors)
            self.keeper.check_serving()
            assert (self.slot.current is serving) == stays
        assert self.safe_mode.read().enabled

    def test_an_alarm_that_cannot_be_given_is_given_before_anything_else(self) -> None:
        self.promote()
        self.keeper.refresh()
        assert self.slot.current is not None
        self.slot.current._golden["expected"]["score"][0] += 0.01
        self.keeper._safe_mode = UnreachableSafeMode()
        self.keeper.check_serving()
        self.now += 60
        self.keeper.refresh()
        assert self.slot.current is None  # a mended model would hide what happened
        self.keeper._safe_mode = self.safe_mode
        self.keeper.refresh()
        assert self.safe_mode.read().enabled
        assert "golden" in self.safe_mode.read().reason
        assert self.slot.current is not None

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
        assert self.slot.current is None  # not yet tried again
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


class FailingSession:
    """A session whose first runs may fail."""

    def __init__(self, run: Callable[..., Any], errors: Iterator[Exception | None]) -> None:
        self._run = run
        self._errors = errors

    def run(self, *arguments: Any) -> Any:
        if error := next(self._errors):
            raise error
        return self._run(*arguments)


class UnreachableSafeMode(MemorySafeMode):
    def read(self) -> SafeModeState:
        raise SafeModeUnavailableError("Redis does not answer for the SAFE MODE switch")


class UnreachableMark(MemoryAcceptedVersion):
    def override(self) -> str:
        raise StoreUnavailableError("Redis is unavailable")
