from pathlib import Path

import pytest
from click.testing import CliRunner

from ml.datasets import write_transactions
from ml.registry import ModelRegistry
from ml.simulator import simulate
from ops.commands.train import command
from ops.development_keys import make_development_keys
from ops.failures import sentence


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "history.parquet"
    write_transactions(simulate(customers=150, terminals=200, days=32, seed=9), path)
    return path


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with development keys."""
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)
    return tmp_path


def failure(*arguments: str) -> str:
    """Returns the sentence of a command that fails."""
    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code != 0
    assert result.exception is not None
    return sentence(result.exception) or result.output


def test_training_registers_promotes_and_tracks_a_version(data: Path, installation: Path) -> None:
    arguments = ["--data", str(data), "--days", "14", "--threads", "1"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    registry = ModelRegistry(installation / "var" / "models")
    (version,) = registry.versions()
    assert registry.champion() == version.version
    assert version.metrics["average_precision"] > version.metrics["base_rate"]
    assert f"Version {version.version} is champion" in result.output
    assert "card precision@100" in result.output
    assert (installation / "var" / "mlflow.db").exists()

    again = CliRunner().invoke(command, [*arguments, "--reviews-per-day", "5", "--no-promote"], catch_exceptions=False)
    assert again.exit_code == 0
    assert len(registry.versions()) == 2
    assert registry.champion() == version.version


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--days", "100"), "give more data or fewer days"),
        (("--end", "yesterday"), "is not a time"),
        (("--reviews-per-day", "0"), "greater than 0"),
    ],
)
@pytest.mark.usefixtures("installation")
def test_what_cannot_work_is_said_in_one_sentence(data: Path, arguments: tuple[str, ...], said: str) -> None:
    text = failure("--data", str(data), *arguments)
    assert said in text
    assert "\n" not in text


@pytest.mark.usefixtures("installation")
def test_a_missing_file_is_said_in_one_sentence() -> None:
    assert "nowhere.parquet" in failure("--data", "nowhere.parquet")


def test_missing_keys_are_said_before_anything_is_trained(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "ARTIFACT_SIGNING_KEY_FILE" in failure("--data", str(data))
