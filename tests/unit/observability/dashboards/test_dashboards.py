"""The dashboards keep the rules of Grafana's public linter, ask only for what exists, and leave nothing out."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from observability.alerts.catalogue import GROUPS, all_alerts
from observability.configuration.site import DEVELOPMENT
from observability.dashboards.catalogue import DASHBOARDS, FOREIGN_METRICS
from observability.dashboards.grafana_file import grafana_file
from observability.dashboards.panel import Kind, Panel
from observability.metrics_document import defined_metrics
from tests.debian_tools import debian_tool
from tests.promql import filled, metrics_in

RECORDED = {rule.name for group in GROUPS for rule in group.recordings}
OURS = defined_metrics().keys() | {
    f"{name}_{part}" for name in defined_metrics() for part in ("bucket", "count", "sum")
}
PANELS = [(dashboard.uid.value, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
QUERIES = [
    (f"{uid}: {panel['title']}", query["expr"])
    for dashboard in DASHBOARDS
    for uid, board in [(dashboard.uid.value, json.loads(grafana_file(dashboard, runbooks_url="https://r")))]
    for panel in board["panels"]
    if panel["type"] not in {"row", "logs"}
    for query in panel["targets"]
]

each_board = pytest.mark.parametrize(
    "board",
    [json.loads(grafana_file(dashboard, runbooks_url=DEVELOPMENT.runbooks_url)) for dashboard in DASHBOARDS],
    ids=lambda board: board["uid"],
)


def metric_panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] not in {"row", "logs"}]


@each_board
def test_source_job_and_instance_can_be_chosen(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables)[:3] == ["datasource", "job", "instance"]
    assert variables["datasource"]["type"] == "datasource"
    assert all(variables[name]["multi"] and variables[name]["allValue"] for name in ("job", "instance"))
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in metric_panels(board))


@each_board
def test_every_panel_has_title_description_unit_and_something_to_say_when_empty(board: dict[str, Any]) -> None:
    for panel in metric_panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]


@each_board
def test_panels_neither_overlap_nor_leave_the_grid(board: dict[str, Any]) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in own) < 24, panel["title"]
        assert not cells & own, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_titles_within_a_dashboard_are_told_apart() -> None:
    for dashboard in DASHBOARDS:
        titles = [panel.title for panel in dashboard.panels]
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("where", "expression"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_asks_for_what_exists_at_the_chosen_place(where: str, expression: str) -> None:
    names = metrics_in(filled(expression))
    assert names
    assert names - OURS - RECORDED - FOREIGN_METRICS.keys() == set()
    own = names & OURS
    assert not own or expression.count('job=~"$job", instance=~"$instance"') >= len(own), where
    assert all("[$__rate_interval]" in part for part in expression.split("rate(")[1:]), (
        "a rate over a fixed range is wrong when zoomed"
    )


def test_every_query_parses(tmp_path: Path) -> None:
    """As a recording rule: promtool reads PromQL as Prometheus does."""
    promtool = debian_tool("promtool", package="prometheus")
    rules = [{"record": f"q:{place}", "expr": filled(query)} for place, (_, query) in enumerate(QUERIES)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    result = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_metric_is_on_a_dashboard_or_in_an_alert() -> None:
    """Or in a list of those that are on neither, with the reason; nothing needs one today."""
    rules = [rule.expression for group in GROUPS for rule in (*group.recordings, *group.alerts)]
    named = {name for query in [*rules, *(filled(query) for _, query in QUERIES)] for name in metrics_in(query)}
    shown = named | {name.removesuffix(part) for name in named for part in ("_bucket", "_count", "_sum")}
    assert defined_metrics().keys() - shown == set()


def test_every_alert_leads_to_a_dashboard_with_a_panel_that_links_its_runbook() -> None:
    linked = {alert for _, panel in PANELS for alert in panel.alerts}
    assert {alert.board for alert in all_alerts()} <= {dashboard.uid for dashboard in DASHBOARDS}
    names = {alert.name for alert in all_alerts()}
    assert linked <= names
    assert names - linked == {"Watchdog"}


def test_figures_of_exporters_are_marked() -> None:
    foreign = {name for name, source in FOREIGN_METRICS.items() if "exporter" in source}
    for uid, panel in PANELS:
        asks = any(metrics_in(query.expression.replace("$at", "")) & foreign for query in panel.queries)
        assert asks == (panel.exporter is not None), (uid, panel.title)


def test_log_panels_ask_for_one_correlation_id() -> None:
    logs: list[Panel] = [panel for _, panel in PANELS if panel.kind is Kind.LOGS]
    assert logs
    assert all("$correlation_id" in query.expression for panel in logs for query in panel.queries)
