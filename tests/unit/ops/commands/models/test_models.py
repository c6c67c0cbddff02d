import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.training.trained_model import TrainedModel
from ops.commands.models.models import command
from ops.credentials.development_keys import make_development_keys
from security.artifacts.artifact_keys import ArtifactSigner
from settings import load_settings


class TestModels:
    @pytest.fixture(autouse=True)
    def _registry(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: TrainedModel) -> None:
        monkeypatch.chdir(tmp_path)
        make_development_keys(Path("var/keys"), replace=False)
        self.registry = ModelRegistry(load_settings().models_path)
        self.files = trained.files()

    def release(self) -> str:
        signer = ArtifactSigner.from_settings(load_settings())
        metrics = {"average_precision": 0.5}
        return release(self.files, registry=self.registry, signer=signer, metrics=metrics).model.version

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, arguments)

    def test_promotes_and_lists(self) -> None:
        assert "There is no model yet" in self.run("list").output
        first, second = self.release(), self.release()
        assert first in self.run("promote", first).output
        self.registry.promote(second)
        listed = json.loads(self.run("list", "--json").output)
        assert [(info["version"], info["aliases"]) for info in listed] == [(second, ["champion"]), (first, [])]
        assert "average_precision 0.5000" in self.run("list").output

    def test_refuses_a_version_that_fails_a_check(self) -> None:
        version = self.release()
        sealed = next(path for path in self.registry.directory(version).iterdir() if path.name.startswith("model.onnx"))
        content = sealed.read_bytes()
        sealed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert self.run("promote", version).exit_code != 0
        assert self.registry.champion() is None

    def test_opens_the_report_of_a_version(self, tmp_path: Path) -> None:
        self.files["report.html"] = b"<!doctype html> all is well"
        version = self.release()
        assert b"all is well" not in (self.registry.directory(version) / "report.html.sealed").read_bytes()
        result = self.run("report", version, "--out", "page.html")
        assert version in result.output
        assert (tmp_path / "page.html").read_bytes() == self.files["report.html"]

    def test_opens_the_report_of_a_model_that_this_code_no_longer_serves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.files["report.html"] = b"<!doctype html>"
        version = self.release()
        monkeypatch.setattr("ml.registry.release.schema_hash", lambda: "0" * 64)
        refused = self.run("promote", version)
        assert refused.exit_code == 1
        assert "expects feature schema" in str(refused.exception)
        assert self.registry.champion() is None
        assert self.run("report", version).exit_code == 0
        assert (tmp_path / "report.html").exists()

    def test_says_why_there_is_no_report(self) -> None:
        assert "trained before versions had a report" in str(self.run("report", self.release()).exception)

    def test_never_writes_a_report_that_was_tampered_with(self, tmp_path: Path) -> None:
        self.files["report.html"] = b"<!doctype html>"
        version = self.release()
        sealed = self.registry.directory(version) / "report.html.sealed"
        content = sealed.read_bytes()
        sealed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert self.run("report", version).exit_code == 1
        assert not (tmp_path / "report.html").exists()

    def test_going_back_needs_a_reason(self) -> None:
        assert "--reason" in self.run("rollback").output

    @pytest.mark.parametrize(
        "arguments", [("promote", "v1"), ("promote", "v20990101T000000-000000"), ("report", "../x")]
    )
    def test_an_unknown_version_leads_to_the_list(self, arguments: tuple[str, str]) -> None:
        refused = self.run(*arguments)
        assert refused.exit_code == 1
        assert f"There is no version {arguments[1]} in var/models; `python -m ops models list`" in str(
            refused.exception
        )

    def test_a_folder_that_is_none_is_said_with_its_setting(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_DIR", "/no/such/models")
        refused = str(self.run("list").exception)
        assert refused == (
            "There is no folder /no/such/models; set MODEL_DIR to the folder of the model versions, or take it out."
        )
        (tmp_path / "models.txt").write_text("")
        monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models.txt"))
        assert "is no folder; MODEL_DIR must name the folder" in str(self.run("list").exception)

    def test_over_a_champion_that_serves_nothing_is_promoted_unaudited(self) -> None:
        first, second = self.release(), self.release()
        assert "The audit does not hold this promotion" in self.run("promote", first).output
        refused = str(self.run("promote", second).exception)
        assert (
            f"{first} is the champion, and a promotion over it is written to the audit first: No stack runs" in refused
        )
        assert self.registry.champion() == first

    def test_a_champion_that_keeps_the_stack_from_starting_is_replaced_without_it(self) -> None:
        first, second = self.release(), self.release()
        self.registry.promote(first)
        next(self.registry.directory(first).glob("model.onnx*")).unlink()
        promoted = self.run("promote", second)
        assert "The audit does not hold this promotion" in promoted.output
        assert self.registry.champion() == second
