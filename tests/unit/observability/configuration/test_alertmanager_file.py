"""Alertmanager's own `amtool` accepts the configuration and routes alerts to the right people."""

import subprocess
from pathlib import Path

import pytest
import yaml

from observability.alerts.alert import SAFE_MODE_ON
from observability.configuration.alertmanager_file import alertmanager_file
from observability.configuration.site import DEVELOPMENT
from tests.debian_tools import debian_tool

FILE = Path(__file__).parents[4] / "observability" / "alertmanager" / "alertmanager.yml"


@pytest.fixture(scope="module")
def amtool() -> str:
    return debian_tool("amtool", package="prometheus-alertmanager")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_configuration_is_acceptable(amtool: str) -> None:
    result = run(amtool, "check-config", FILE)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("receivers", [("email",), ("pagerduty",), ("slack", "webhook")], ids="+".join)
def test_it_is_acceptable_for_an_installation_with_some_receivers(
    amtool: str, tmp_path: Path, receivers: tuple[str, ...]
) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager_file(DEVELOPMENT, receivers))
    result = run(amtool, "check-config", file)
    assert result.returncode == 0, result.stdout + result.stderr
    told = {receiver["name"]: receiver for receiver in yaml.safe_load(file.read_text())["receivers"]}
    assert all(len(told[name]) > 1 for name in ("page", "ticket")), "somebody is told in any case"


@pytest.mark.parametrize(
    ("receiver", "labels"),
    [
        ("page", ("alertname=SafeModeOn", "severity=critical")),
        ("page", ("alertname=ScoreAvailabilityBudgetBurn", "severity=critical", "window=1h")),
        ("ticket", ("alertname=ScoreAvailabilityBudgetBurn", "severity=warning", "window=3d")),
        ("ticket", ("alertname=DeadLetters", "severity=warning", "sink=mongo")),
        ("heartbeat", ("alertname=Watchdog", "severity=none")),
        ("ticket", ("alertname=SomebodyElses",)),
    ],
)
def test_an_alert_reaches_its_receiver(amtool: str, receiver: str, labels: tuple[str, ...]) -> None:
    result = run(amtool, "config", "routes", "test", f"--config.file={FILE}", f"--verify.receivers={receiver}", *labels)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_wrong_receiver_would_be_noticed(amtool: str) -> None:
    wrong = run(amtool, "config", "routes", "test", f"--config.file={FILE}", "--verify.receivers=page", "severity=none")
    assert wrong.returncode != 0


def test_safe_mode_silences_what_follows_from_it() -> None:
    rules = yaml.safe_load(FILE.read_text())["inhibit_rules"]
    of_safe_mode = [rule for rule in rules if rule["source_matchers"] == [f'alertname="{SAFE_MODE_ON}"']]
    assert len(of_safe_mode) == 1
    silenced = of_safe_mode[0]["target_matchers"][0]
    assert "ScoreAvailabilityBudgetBurn" in silenced
    assert "ModelIntegrityFailed" not in silenced, "the cause must stay to be seen"


def test_no_secret_stands_in_the_file() -> None:
    text = FILE.read_text()
    assert [name for name in ("auth_password:", "api_url:", "routing_key:") if name in text] == []
    assert text.count("_file:") >= 5
