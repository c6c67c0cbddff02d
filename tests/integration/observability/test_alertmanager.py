"""A real Alertmanager, Debian's, with the generated configuration: who is told, with which secret, and who is not."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from observability.alerts.alert import SAFE_MODE_ON
from observability.alerts.scraping import WATCHDOG
from observability.configuration.alertmanager_file import alertmanager_file
from observability.configuration.site import Site
from ops.processes.health import answers_ok
from ops.processes.ports import free_port, wait_until
from ops.processes.spawn import spawn, stop
from tests.debian_tools import debian_tool

BURN = "ScoreAvailabilityBudgetBurn"


@dataclass
class Pager:
    """What is told, by the path it is told at, with the authorization it came with."""

    told: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, path: str, alert: str) -> tuple[str | None, dict[str, Any]]:
        """Returns authorization and alert once one of this name arrives at the path."""
        with self.news:
            assert self.news.wait_for(lambda: self._found(path, alert), timeout=300), f"{alert} was not told at {path}"
            return self._found(path, alert)[0]

    def _found(self, path: str, name: str) -> list[tuple[str | None, dict[str, Any]]]:
        return [
            (authorization, alert)
            for at, authorization, message in self.told
            for alert in message["alerts"]
            if at == path and alert["labels"]["alertname"] == name
        ]


@pytest.fixture(scope="module")
def pager() -> Iterator[tuple[Pager, str]]:
    pager = Pager()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with pager.news:
                pager.told.append((self.path, self.headers["Authorization"], message))
                pager.news.notify_all()
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield pager, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def alertmanager(pager: tuple[Pager, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server that tells the pager; the secrets of all other receivers are missing."""
    server = debian_tool("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name in ("webhook_token", "heartbeat_token"):
        (secrets / name).write_text(f"the {name}")
    site = Site(webhook_url=f"{pager[1]}/alerts", heartbeat_url=f"{pager[1]}/heartbeat", secrets=str(secrets))
    config, log = folder / "alertmanager.yml", folder / "alertmanager.log"
    config.write_text(alertmanager_file(site, ("webhook", "slack")))
    command = [
        server,
        *(f"--config.file={config}", f"--storage.path={folder / 'data'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
    ]
    with log.open("wb") as output:
        process = spawn(command, output=output)
    try:
        wait_until(lambda: answers_ok(port, "/-/ready"), process, name="alertmanager", log=log)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def call(url: str, content: list[dict[str, Any]] | None = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback, http
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - loopback, http
        return json.loads(response.read() or b"null")


def alert(name: str, severity: str, environment: str = "here") -> dict[str, Any]:
    return {
        "labels": {"alertname": name, "severity": severity, "environment": environment},
        "annotations": {"summary": f"{name} happened"},
    }


def test_pages_and_heartbeats_arrive_with_their_secrets_and_consequences_keep_silent(
    pager: tuple[Pager, str], alertmanager: str
) -> None:
    sent = [
        alert(SAFE_MODE_ON, "critical"),
        alert(BURN, "critical"),
        alert(BURN, "critical", environment="elsewhere"),
        alert(WATCHDOG, "none"),
    ]
    call(f"{alertmanager}/api/v2/alerts", sent)
    authorization, told = pager[0].wait_for("/alerts", SAFE_MODE_ON)
    assert authorization == "Bearer the webhook_token"
    assert told["annotations"]["summary"] == f"{SAFE_MODE_ON} happened"
    assert pager[0].wait_for("/heartbeat", WATCHDOG)[0] == "Bearer the heartbeat_token"
    # One installation's SAFE MODE explains nothing of another's.
    assert pager[0].wait_for("/alerts", BURN)[1]["labels"]["environment"] == "elsewhere"
    known = call(f"{alertmanager}/api/v2/alerts")
    silenced = {found["labels"]["environment"] for found in known if found["status"]["inhibitedBy"]}
    assert silenced == {"here"}
