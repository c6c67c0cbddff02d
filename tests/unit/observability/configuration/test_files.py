"""What the repository holds is what the definitions say; every alert leads somewhere."""

import re
from pathlib import Path

import pytest

from observability.alerts.catalogue import GROUPS, all_alerts
from observability.configuration.alerts_document import alerts_document
from observability.configuration.files import configuration_files
from observability.dashboards.catalogue import FOREIGN_METRICS
from observability.metrics_document import defined_metrics
from tests.promql import metrics_in

ROOT = Path(__file__).parents[4]
RUNBOOKS = ROOT / "ops" / "runbooks"
HEADINGS = ["What it means", "How to look", "What to do", "How to know that it is over"]


FILES = {**configuration_files(), Path("docs/alerts.md"): alerts_document()}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_repository_holds_what_is_generated(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], "run `make observability`"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert.name for alert in all_alerts()}


@pytest.mark.parametrize("runbook", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_how_to_look_what_to_do_and_when_it_is_over(runbook: Path) -> None:
    text = runbook.read_text(encoding="utf-8")
    assert text.startswith(f"# {runbook.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


def test_a_cause_is_an_alert() -> None:
    names = {alert.name for alert in all_alerts()}
    assert {cause for alert in all_alerts() for cause in alert.consequence_of} <= names


def test_every_metric_that_a_rule_names_exists() -> None:
    recorded = {rule.name for group in GROUPS for rule in group.recordings}
    rules = [rule.expression for group in GROUPS for rule in (*group.recordings, *group.alerts)]
    named = {name for rule in rules for name in metrics_in(rule)}
    histograms = {f"{name}_{part}" for name in defined_metrics() for part in ("bucket", "count", "sum")}
    assert named - defined_metrics().keys() - histograms - recorded - FOREIGN_METRICS.keys() == set()
    assert len(named) > 30
