from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.command_line import shrike
from ops.cli.failures import sentence


@pytest.mark.parametrize(
    "command",
    [
        ["chaos"],
        ["chaos", "--soak", "30s"],
        ["demo"],
        ["bench", "latency"],
        ["bench", "scale"],
        ["bench", "start"],
        ["bench", "quality", "--data", "x.csv"],
    ],
)
def test_nothing_is_proven_beside_production(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "production")
    refused = CliRunner().invoke(shrike, command)
    assert refused.exit_code == 1
    assert refused.exception is not None
    said = sentence(refused.exception) or ""
    assert said.startswith("ENVIRONMENT is production, which refuses `python -m ops ")
    assert "run it on another machine" in said
    assert not list(tmp_path.iterdir())


def test_the_list_of_faults_can_be_read_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert CliRunner().invoke(shrike, ["chaos", "--list"]).exit_code == 0
