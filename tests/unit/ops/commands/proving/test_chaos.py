from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.commands.proving.chaos import command
from ops.proving.chaos.catalogue import FAULTS
from ops.proving.chaos.soak import GENTLE, VIOLENT


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fault", "earthquake"], "There is no fault earthquake; --list shows them."),
        (["--soak", "soon"], "soon is no time; say 90s, 30m or 8h."),
        (["--soak", "30m", "--fault", "redis-full"], "give --soak or --fault"),
        (["--calm"], "--calm belongs to a soak: say how long, such as --soak 30m."),
        (["--runs", "0"], "--runs"),
        (["--json", "/no/such/folder/counts.json"], "does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(command, arguments)
    assert refused.exit_code != 0
    assert sentence in refused.output
    assert not list(tmp_path.iterdir())


def test_the_list_says_what_is_expected_of_each_fault() -> None:
    listed = CliRunner().invoke(command, ["--list"])
    assert listed.exit_code == 0
    for name, fault in FAULTS.items():
        assert any(line.startswith(name) and line.endswith(fault.expected) for line in listed.output.splitlines())


def test_a_soak_draws_from_faults_that_there_are() -> None:
    assert set(GENTLE) | set(VIOLENT) <= set(FAULTS)
    assert not set(GENTLE) & set(VIOLENT)
