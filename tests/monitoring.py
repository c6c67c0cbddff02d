"""A real Prometheus, Debian's, that scrapes a platform with the repository's rules."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.processes.ports import LOOPBACK
from ops.proving.scraping.prometheus import started
from tests.debian_tools import debian_tool

ROOT = Path(__file__).parents[1]
RULES = ROOT / "observability" / "prometheus" / "rules.yml"


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns the series of an instant query."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Returns every rule with its health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Returns the names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def active(self) -> set[str]:
        """Returns the names of the alerts that fire or wait to fire."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"]}

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - loopback, http
            answer = json.load(response)
        assert answer["status"] == "success", answer
        found: dict[str, Any] = answer["data"]
        return found


@contextmanager
def running_prometheus(folder: Path, jobs: Mapping[str, tuple[list[str], Path | None]]) -> Iterator[Prometheus]:
    """Runs a server that scrapes these targets every second, by job, with a token's file where one is given."""
    server = debian_tool("prometheus", package="prometheus")
    with started(server, folder, _configuration(jobs)) as port:
        yield Prometheus(f"http://{LOOPBACK}:{port}")


def _configuration(jobs: Mapping[str, tuple[list[str], Path | None]]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "external_labels": {"environment": "test"}},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": targets}],
                **({} if token is None else {"authorization": {"credentials_file": str(token)}}),
            }
            for job, (targets, token) in jobs.items()
        ],
    }
