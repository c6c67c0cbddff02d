from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.data.datasets import load_transactions, write_transactions
from ml.data.simulator import simulate
from ml.data.table import FRAUD, LEGITIMATE, UNKNOWN
from ml.registry.registry import ModelRegistry
from ops.cli.failures import sentence
from ops.commands.models.train import command
from ops.credentials.development_keys import make_development_keys
from security.artifacts.artifact_pem import private_key_pem


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


def nothing_was_written() -> bool:
    """Returns whether a command left neither a version nor a run nor a report."""
    return [path.name for path in Path("var").iterdir()] == ["keys"]


def failure(*arguments: str) -> str:
    """Returns the sentence of a command that fails."""
    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code != 0
    assert result.exception is not None
    return sentence(result.exception) or result.output


@pytest.mark.slow
def test_training_registers_promotes_and_tracks_a_version(data: Path, installation: Path) -> None:
    arguments = ["--data", str(data), "--days", "14", "--threads", "1"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    registry = ModelRegistry(installation / "var" / "models")
    (version,) = registry.versions()
    assert registry.champion() == version.version
    assert version.metrics["average_precision"] > version.metrics["base_rate"]
    assert f"Version {version.version} is champion" in result.output
    for said in ("card precision@100", "Brier score", "review or decline from", "payments a day expected"):
        assert said in result.output
    assert (installation / "var" / "mlflow.db").exists()

    report = installation / "var" / "reports" / f"{version.version}.html"
    assert f"Report: {report.relative_to(installation)}" in result.output
    assert "history.parquet" in report.read_text()
    assert (registry.directory(version.version) / "report.html.sealed").exists()
    (logged,) = (installation / "var" / "mlflow-artifacts").rglob("report.html")
    assert logged.read_bytes() == report.read_bytes()

    assert "The audit does not hold this promotion" in result.output

    again = CliRunner().invoke(command, [*arguments, "--reviews-per-day", "5"], catch_exceptions=False)
    assert again.exit_code == 0
    assert "is registered, not promoted" in again.output
    assert f"`python -m ops models promote {registry.versions()[0].version} --reason TEXT`" in again.output
    assert "Thresholds for 5 payments a day to review" in again.output
    assert len(registry.versions()) == 2
    assert registry.champion() == version.version

    refused = failure(*arguments, "--promote")
    assert f"{version.version} is the champion, and a promotion over it is written to the audit first" in refused
    assert "set REDIS_URL and MONGO_URL" in refused
    assert len(registry.versions()) == 2  # before minutes are spent on training


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--days", "100"), "give more data or fewer days"),
        (("--end", "yesterday"), "is not a time"),
        (("--end", "2031-01-01"), "--end 2031-01-01 lies outside"),
        (("--end", "2025-12-31"), "--end 2025-12-31 lies outside"),
        (("--end", "2026-01-20"), "history.parquet: The data cover 19.0 days"),
        (("--days", "nan"), "--days nan is not a number of days"),
        (("--evaluation-days", "nan"), "--evaluation-days nan is not a number of days"),
        (("--reviews-per-day", "0"), "--reviews-per-day 0 is not a number above 0"),
        (("--reviews-per-day", "-1"), "--reviews-per-day -1 is not a number above 0"),
        (("--days", "10", "--reviews-per-day", "5000"), "--reviews-per-day 5000 takes every payment: there are about"),
        (("--cost-review", "nan"), "--cost-review nan is not a number above 0"),
        (("--cost-false-positive", "1e400"), "--cost-false-positive inf is not a number above 0"),
        (("--cost-fraud-fraction", "-0.5"), "--cost-fraud-fraction -0.5 is not a number above 0"),
    ],
)
@pytest.mark.usefixtures("installation")
def test_what_cannot_work_is_said_in_one_sentence(data: Path, arguments: tuple[str, ...], said: str) -> None:
    text = failure("--data", str(data), *arguments)
    assert said in text
    assert "\n" not in text
    assert text.endswith(".")
    assert nothing_was_written()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "no row has a label"),
        (FRAUD, "every labelled row is fraud"),
        (LEGITIMATE, "no row is labelled as fraud"),
    ],
)
@pytest.mark.usefixtures("installation")
def test_a_file_that_teaches_nothing_is_refused(data: Path, tmp_path: Path, labels: int | None, said: str) -> None:
    table = load_transactions(data).table
    outcome = None if labels is None else np.full(len(table), labels, np.int8)
    path = tmp_path / "useless.parquet"
    write_transactions(
        replace(table, is_fraud=np.full(len(table), UNKNOWN, np.int8) if outcome is None else outcome), path
    )
    text = failure("--data", str(path))
    assert text.startswith(f"{path}: ")
    assert said in text
    assert nothing_was_written()


@pytest.mark.usefixtures("installation")
def test_repeated_and_unsorted_rows_are_counted(data: Path, tmp_path: Path) -> None:
    table = load_transactions(data).table
    rows = np.concatenate([np.arange(len(table))[::-1], [5, 6]])
    write_transactions(table.select(rows), tmp_path / "untidy.parquet")
    result = CliRunner().invoke(command, ["--data", str(tmp_path / "untidy.parquet"), "--days", "300"])
    assert "2 rows repeat a transaction id and are left out." in result.output
    late = int((table.epoch_seconds < table.epoch_seconds[-1]).sum()) + 2
    assert f"{late:,} rows stand after a later payment and are sorted in." in result.output


@pytest.mark.usefixtures("installation")
def test_a_bad_row_is_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    table = load_transactions(data).table
    times = table.epoch_seconds.copy()
    times[-1] = 2_000_000_000
    path = tmp_path / "future.parquet"
    write_transactions(replace(table, epoch_seconds=times), path)
    text = failure("--data", str(path))
    assert text.startswith(f"{path}, row {len(table)}: timestamp 2033-05-18 03:33:20+00:00 lies in the future")
    assert nothing_was_written()


@pytest.mark.usefixtures("installation")
def test_a_missing_file_is_said_in_one_sentence() -> None:
    assert "nowhere.parquet" in failure("--data", "nowhere.parquet")


def test_missing_keys_are_said_before_anything_is_trained(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "ARTIFACT_SIGNING_KEY_FILE" in failure("--data", str(data))


@pytest.mark.usefixtures("installation")
def test_nothing_is_trained_that_could_not_be_loaded(data: Path) -> None:
    Path("var/keys/artifact_signing.pem").write_bytes(private_key_pem(Ed25519PrivateKey.generate()))
    said = failure("--data", str(data))
    assert (
        "ARTIFACT_SIGNING_KEY_FILE signs models under ARTIFACT_KEY_ID that ARTIFACT_TRUST_FILE does not accept" in said
    )
    assert nothing_was_written()
