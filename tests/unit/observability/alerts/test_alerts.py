"""Each alert fires, keeps silent one step below, and is over again: Prometheus's own `promtool` evaluates the rules."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.alerts.alert import RuleGroup
from observability.alerts.catalogue import GROUPS, all_alerts
from observability.alerts.scraping import WATCHDOG
from tests.alert_cases import CASES, HEALTHY, Case
from tests.debian_tools import debian_tool

ROOT = Path(__file__).parents[4]
RULES = ROOT / "observability" / "prometheus" / "rules.yml"


@pytest.fixture(scope="module")
def promtool() -> str:
    return debian_tool("promtool", package="prometheus")


def test_every_rule_is_acceptable(promtool: str) -> None:
    result = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", RULES], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_a_case() -> None:
    told_apart = {(case.alert, case.severity, case.labels.get("window")) for case in CASES}
    defined = {(alert.name, alert.severity.value, alert.labels.get("window")) for alert in all_alerts()}
    assert told_apart == defined - {(WATCHDOG, "none", None)}


@pytest.mark.parametrize("step", sorted({case.step for case in CASES}))
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_alert_fires_keeps_silent_one_step_below_and_ends(
    promtool: str, tmp_path: Path, group: RuleGroup, step: int
) -> None:
    names = {alert.name for alert in group.alerts}
    cases = [case for case in CASES if case.alert in names and case.step == step]
    checks = [check for case in cases for check in (fires_and_ends(case), keeps_silent(case))]
    result = run(promtool, tmp_path, checks, group=group.name, step=step)
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]


def test_a_check_that_expects_the_wrong_thing_is_not_passed(promtool: str, tmp_path: Path) -> None:
    """What the two tests above would miss if promtool's answer were not looked at."""
    case = CASES[0]
    wrong = {**fires_and_ends(case), "promql_expr_test": [expected(case, at=case.fires_at, fires=False)]}
    assert run(promtool, tmp_path, [wrong]).returncode != 0


def test_a_platform_that_is_well_disturbs_nobody(promtool: str, tmp_path: Path) -> None:
    query = f'ALERTS{{alertstate="firing", alertname!="{WATCHDOG}"}}'
    checks = [{"expr": query, "eval_time": f"{minute}m", "exp_samples": []} for minute in (10, 65, 80)]
    result = run(promtool, tmp_path, [{**inputs(HEALTHY, step=1), "promql_expr_test": checks}])
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_watchdog_always_fires(promtool: str, tmp_path: Path) -> None:
    labels = f'ALERTS{{alertname="{WATCHDOG}", alertstate="firing", severity="none"}}'
    check = {"expr": labels, "eval_time": "1m", "exp_samples": [{"labels": labels, "value": 1}]}
    result = run(promtool, tmp_path, [{**inputs({}, step=1), "promql_expr_test": [check]}])
    assert result.returncode == 0, result.stdout + result.stderr


def run(
    promtool: str, folder: Path, checks: list[dict[str, Any]], *, group: str | None = None, step: int = 1
) -> subprocess.CompletedProcess[str]:
    """Runs promtool on the rules of the repository, or of one group alone: it evaluates all that it is given."""
    rules, file = folder / "rules.json", folder / "tests.json"
    groups = [found for found in yaml.safe_load(RULES.read_text())["groups"] if group in {None, found["name"]}]
    rules.write_text(json.dumps({"groups": groups}))
    file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": f"{step}m", "tests": checks}))
    return subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)


def inputs(series: Mapping[str, str], *, step: int) -> dict[str, Any]:
    return {
        "interval": f"{step}m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
    }


def fires_and_ends(case: Case) -> dict[str, Any]:
    checks = [expected(case, at=case.fires_at, fires=True), expected(case, at=case.over_at, fires=False)]
    return {"name": f"{case.alert} fires", **inputs(case.firing, step=case.step), "promql_expr_test": checks}


def keeps_silent(case: Case) -> dict[str, Any]:
    series = inputs({**case.firing, **case.below}, step=case.step)
    check = expected(case, at=case.fires_at, fires=False)
    return {"name": f"{case.alert} keeps silent", **series, "promql_expr_test": [check]}


def expected(case: Case, *, at: int, fires: bool) -> dict[str, Any]:
    """Returns a check of the alerts with this case's name, severity and labels."""
    own = {"alertname": case.alert, "alertstate": "firing", "severity": case.severity, **case.labels}
    labels = ", ".join(f'{name}="{value}"' for name, value in own.items())
    samples = [{"labels": f"ALERTS{{{labels}}}", "value": 1}] if fires else []
    return {"expr": f"ALERTS{{{labels}}}", "eval_time": f"{at}m", "exp_samples": samples}
