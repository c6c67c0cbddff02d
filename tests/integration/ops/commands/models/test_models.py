import logging
import os
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.training.trained_model import TrainedModel
from ops.commands.models.models import command
from ops.credentials.development_keys import make_development_keys
from security.artifacts.artifact_keys import ArtifactSigner
from security.audit.audit import AuditUnavailableError
from settings import load_settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import accepted_version, audit_log


class TestRollback:
    @pytest.fixture(autouse=True)
    def _two_champions(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        trained: TrainedModel,
        valkey_url: str,
        mongo_url: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        make_development_keys(Path("var/keys"), replace=False)
        monkeypatch.setitem(os.environ, "REDIS_URL", f"{valkey_url.rsplit('/', 1)[0]}/10")
        monkeypatch.setitem(os.environ, "MONGO_URL", mongo_url)
        monkeypatch.setitem(os.environ, "MONGO_DATABASE", f"models_{uuid4().hex[:8]}")
        settings = load_settings()
        self.registry, self.mark = ModelRegistry(settings.models_path), accepted_version(Connections(settings))
        signer, files = ArtifactSigner.from_settings(settings), trained.files()
        self.files = files
        self.first, self.second = (
            release(files, registry=self.registry, signer=signer, metrics={}).model.version for _ in range(2)
        )
        for version in (self.first, self.second):
            self.registry.promote(version)
        self.mark.set_to(self.second)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, ["rollback", "--reason", "it declines everybody", *arguments])

    def test_an_older_version_comes_back_only_if_somebody_says_so(self) -> None:
        refused = self.run()
        assert "--allow-older accepts it" in str(refused.exception)
        assert self.registry.champion() == self.second
        assert self.mark.read() == self.second

    def test_going_back_lowers_both_marks_and_is_audited_and_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            assert self.first in self.run("--allow-older").output
        state = self.registry.state()
        assert (state.champion, state.high_water_mark, self.mark.read()) == (self.first, self.first, self.first)
        with Connections(load_settings()) as connections:
            (event,) = audit_log(connections).latest(5)
        assert (event.action, event.reason) == ("models.rolled_back", "it declines everybody")
        assert "@" in event.by
        assert event.details == {"champion": self.first, "before": self.second}
        assert any(getattr(record, "action", None) == "models.rolled_back" for record in caplog.records)

    def test_without_the_audit_nothing_is_changed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(os.environ, "MONGO_URL", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
        monkeypatch.setattr("tasks.wiring.clients_mongo._TIMEOUT_MS", 200)
        assert isinstance(self.run("--allow-older").exception, AuditUnavailableError)
        assert self.registry.champion() == self.second
        assert self.mark.read() == self.second

    def test_a_promotion_over_a_champion_is_audited_and_obeys_the_mark_in_redis(self) -> None:
        self.run("--allow-older")
        result = CliRunner().invoke(command, ["promote", self.second, "--reason", "it was right"])
        assert self.second in result.output
        with Connections(load_settings()) as connections:
            events = audit_log(connections).latest(5)
        (event,) = (event for event in events if event.action == "models.promoted")
        assert (event.reason, event.details) == ("it was right", {"champion": self.second, "before": self.first})
        self.mark.set_to("v20990101T000000-000000")
        refused = CliRunner().invoke(command, ["promote", self.first])
        assert "roll back instead" in str(refused.exception)
        assert self.registry.champion() == self.second

    def test_what_was_never_champion_is_promoted_instead(self) -> None:
        signer = ArtifactSigner.from_settings(load_settings())
        third = release(self.files, registry=self.registry, signer=signer, metrics={}).model.version
        assert "never champion" in str(self.run(third, "--allow-older").exception)

    def test_what_there_is_not_cannot_be_rolled_back_to(self) -> None:
        refused = str(self.run("v20990101T000000-000000", "--allow-older").exception)
        assert "There is no version v20990101T000000-000000" in refused
        assert "models list` shows" in refused

    def test_without_an_earlier_champion_the_way_on_is_said(self) -> None:
        self.run("--allow-older")
        refused = str(self.run("--allow-older").exception)
        assert f"No version was champion before {self.first}" in refused
        assert "`python -m ops models promote VERSION`" in refused

    def test_a_first_model_is_audited_where_the_servers_are_named(self) -> None:
        (self.registry.path / "registry.json").unlink()
        result = CliRunner().invoke(command, ["promote", self.second, "--reason", "the first"])
        assert result.exit_code == 0, result.output
        with Connections(load_settings()) as connections:
            (event,) = audit_log(connections).latest(5)
        assert (event.action, event.reason) == ("models.promoted", "the first")

    def test_a_first_model_needs_no_audit_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (self.registry.path / "registry.json").unlink()
        monkeypatch.setitem(os.environ, "MONGO_URL", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
        monkeypatch.setattr("tasks.wiring.clients_mongo._TIMEOUT_MS", 200)
        result = CliRunner().invoke(command, ["promote", self.second])
        assert "The audit does not hold this promotion: MongoDB does not answer" in result.output
        assert self.registry.champion() == self.second
