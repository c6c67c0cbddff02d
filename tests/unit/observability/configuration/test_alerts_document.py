"""What `docs/alerts.md` tells people to write is what Prometheus reads, and where our processes listen."""

import re
import subprocess
from pathlib import Path

import yaml

from observability.configuration.alerts_document import alerts_document
from ops.stack.plan.roles import ROLES
from settings import Settings
from settings.metrics_ports import metrics_port
from tests.debian_tools import debian_tool


def example() -> str:
    found = re.search(r"```yaml\n(.*?)```", alerts_document(), re.DOTALL)
    assert found is not None
    return found[1]


def test_prometheus_accepts_the_example(tmp_path: Path) -> None:
    promtool = debian_tool("promtool", package="prometheus")
    file = tmp_path / "prometheus.yml"
    file.write_text(example())
    command = [promtool, "check", "config", "--syntax-only", file]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_example_scrapes_every_process_of_a_stack() -> None:
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in yaml.safe_load(example())["scrape_configs"]}
    web = Settings.model_fields["web_port"].default
    assert jobs["shrike-web"] == [f"localhost:{web}"]
    base = Settings.model_fields["metrics_port_base"].default
    ports = [
        metrics_port(role.name, number, base=base)
        for role in ROLES
        if role.has_metrics_port
        for number in range(1, role.count + 1)
    ]
    assert sorted(jobs["shrike-workers"]) == sorted(f"localhost:{port}" for port in ports)
