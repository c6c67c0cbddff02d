from pathlib import Path

import yaml
from click.testing import CliRunner

from ops.commands.stack.observability import command
from ops.errors import OpsError

RULES = Path("observability/prometheus/rules.yml")
ALERTMANAGER = Path("observability/alertmanager/alertmanager.yml")


def test_it_writes_the_files_with_an_installations_own_addresses(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        command,
        [
            *("--out", str(tmp_path), "--runbooks-url", "https://wiki.example/shrike/"),
            *("--grafana-url", "https://grafana.example", "--receiver", "email", "--email-to", "night@example.com"),
        ],
    )
    assert result.exit_code == 0, result.output
    alert = yaml.safe_load((tmp_path / RULES).read_text())["groups"][0]["rules"][0]
    assert alert["annotations"]["runbook_url"] == "https://wiki.example/shrike/SafeModeOn.md"
    assert alert["annotations"]["dashboard_url"] == "https://grafana.example/d/shrike-security"
    receivers = yaml.safe_load((tmp_path / ALERTMANAGER).read_text())["receivers"]
    assert {name for receiver in receivers for name in receiver} == {"name", "email_configs", "webhook_configs"}
    assert receivers[0]["email_configs"][0]["to"] == "night@example.com"


def test_an_address_that_is_no_url_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--out", str(tmp_path), "--grafana-url", "grafana"])
    assert result.exit_code == 2
    assert "'grafana' is no URL" in result.output
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_it_says_what_to_do() -> None:
    result = CliRunner().invoke(command, [])
    assert isinstance(result.exception, OpsError)
    assert "--out FOLDER" in str(result.exception)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "observability").write_text("a file")
    result = CliRunner().invoke(command, ["--out", str(tmp_path)])
    assert isinstance(result.exception, OpsError)
    assert "cannot be written" in str(result.exception)
