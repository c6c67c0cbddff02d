"""A real Prometheus scrapes the running platform: every query of the dashboards returns series, the rules evaluate."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from observability.alerts.scraping import WATCHDOG
from observability.dashboards.catalogue import DASHBOARDS
from observability.dashboards.grafana_file import grafana_file
from ops.client import Client
from ops.stack.plan.roles import ROLES
from security.roles import Role
from tests.e2e.installation import Stack, wait_for
from tests.e2e.transactions import transaction
from tests.monitoring import Prometheus, running_prometheus
from tests.promql import filled

SCRAPED = {role.name for role in ROLES if role.has_metrics_port}

ONLY_AFTER_SOMETHING_HAPPENED = {
    "shrike-security: Rate limits",
    "shrike-security: Refused for the time of day",
    "shrike-security: Versions refused",
    "shrike-security: SAFE MODE record found wrong",
    "shrike-scores: Declined by channel",
    "shrike-scores: Drift of the score",
    "shrike-scores: Features that drift most",
    "shrike-scores: Drift found",
    "shrike-celery: Tasks that did not succeed",
    "shrike-celery: Dead letters",
    "shrike-celery: Reconciliation",
    "shrike-system: Refused by Redis",
    "shrike-system: Messages that Kafka did not confirm",
    "shrike-system: Kafka producers replaced",
    "shrike-system: Memory of Redis",
    "shrike-system: CPU of the machines",
    "shrike-system: Disk left",
    "shrike-overview: Drift of the score",
}
"""Panels that a healthy platform leaves empty, or whose exporter does not run here."""


OF_A_SLOW_MACHINE = {
    "MongoSlow",
    "ScoreLatencyHigh",
    "ScoreLatencyBudgetBurn",
    "QueueWaitHigh",
    "ProbeSlow",
    "ScrapeFailing",
}


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that scrapes the API with a scraper's token, and every worker."""
    folder = tmp_path_factory.mktemp("prometheus")
    token = folder / "token"
    minted = stack.home.ops("token", "--role", "metrics", "--days", "30", "--out", str(token))
    assert minted.returncode == 0, minted.stderr
    workers = [
        f"127.0.0.1:{process.port}"
        for process in stack.state.processes
        if process.port and process.name.split("-")[0] in SCRAPED
    ]
    jobs = {"shrike-web": ([urlsplit(stack.api).netloc], token), "shrike-workers": (workers, None)}
    with running_prometheus(folder, jobs) as server:
        wait_for(lambda: len(server.query("up == 1")) == 1 + len(workers), 180)
        yield server


@pytest.fixture(scope="module")
def _traffic(stack: Stack, prometheus: Prometheus) -> None:
    """Requests before and after a scrape: a rate needs two."""
    with stack.client() as client, Client(stack.api, hmac_key=b"x" * 32, token="none") as stranger:
        for turn in (1, 2):
            for _ in range(20):
                assert client.post("/predictions/score", transaction()).is_ok
            assert stranger.get("/admin/queues").status == 401
            for counter, total in (("model_score_count", 20 * turn), ("auth_failures_total", turn)):
                wait_for(lambda counter=counter, total=total: counted(prometheus, counter) >= total, 120)
    wait_for(lambda: counted(prometheus, "sum(explanations_stored_total)") >= 40, 120)
    wait_for(lambda: prometheus.query("score:failed:ratio_rate3d and score:latency_seconds:p95_5m"), 180)


def counted(prometheus: Prometheus, expression: str) -> float:
    return sum(float(series["value"][1]) for series in prometheus.query(expression))


@pytest.mark.usefixtures("_traffic")
def test_every_query_of_the_dashboards_returns_series(prometheus: Prometheus) -> None:
    found = {
        f"{dashboard.uid}: {panel['title']} {target['refId']}": len(prometheus.query(filled(target["expr"])))
        for dashboard in DASHBOARDS
        for panel in json.loads(grafana_file(dashboard, runbooks_url="https://runbooks"))["panels"]
        if panel["type"] not in {"row", "logs"}
        for target in panel["targets"]
    }
    empty = {name.rpartition(" ")[0] for name, series in found.items() if not series}
    answered = sum(map(bool, found.values()))
    print(f"{answered} of {len(found)} queries returned {sum(found.values())} series; none: {sorted(empty)}")
    assert empty - ONLY_AFTER_SOMETHING_HAPPENED == set()
    assert answered >= 70


@pytest.mark.usefixtures("_traffic")
def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    wait_for(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 180)
    assert len(prometheus.rules()) > 60


@pytest.mark.usefixtures("_traffic")
def test_a_platform_that_is_well_raises_no_alert_but_those_of_a_slow_machine(prometheus: Prometheus) -> None:
    # What a start or a busy moment raised goes away by itself; an alert that a healthy platform keeps does not.
    wait_for(lambda: prometheus.active() - OF_A_SLOW_MACHINE == {WATCHDOG}, 180)


def test_the_alert_of_safe_mode_fires_and_ends(stack: Stack, prometheus: Prometheus) -> None:
    with stack.client(Role.ADMIN) as admin:
        try:
            assert admin.post("/admin/safe-mode/enable", {"reason": "a test of its alert"}).is_ok
            wait_for(lambda: "SafeModeOn" in prometheus.firing(), 180)
        finally:
            wait_for(lambda: admin.send("POST", "/admin/safe-mode/disable").is_ok, 120)
    wait_for(lambda: "SafeModeOn" not in prometheus.firing(), 180)
