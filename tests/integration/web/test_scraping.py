"""Debian's Prometheus scrapes the API and workers as people let it: through a change of keys and a killed process."""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ops.processes.health import answers_ok
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from ops.proving.scraping.findings import find
from ops.proving.scraping.prometheus import Prometheus, Target, running_prometheus
from security.keys import generate_secret
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.workers.conftest import Works, wait_until

SECRETS = {name: generate_secret() for name in ("old", "new", "stranger")}
PROCESSES = 3
_SCRAPES = 4


def key_set(*names: str) -> str:
    keys = [
        {"kty": "oct", "kid": name, "alg": "HS256", "k": urlsafe_b64encode(SECRETS[name].encode()).decode().rstrip("=")}
        for name in names
    ]
    return json.dumps({"keys": keys})


class Place:
    """An API of three processes with its keys in a file, a worker, a beat, and a Prometheus that scrapes them."""

    def __init__(self, works: Works, folder: Path, processes: ExitStack) -> None:
        self._works = works
        self.started = time.monotonic()
        self._keys, self._token = folder / "keys.json", folder / "metrics.token"
        self.metrics = folder / "metrics"
        self.publish_keys("old")
        self.mint("old")
        changes = {
            "JWT_JWKS_FILE": str(self._keys),
            "WEB_PROCESSES": str(PROCESSES),
            "PROMETHEUS_MULTIPROC_DIR": str(self.metrics),
        }
        self.api: RunningApi = processes.enter_context(running_api(works, **changes))
        worker = processes.enter_context(works.worker("explain"))
        beat_port = free_port()
        with (folder / "beat.log").open("wb") as output:
            env = os.environ | works.env | {"METRICS_PORT": str(beat_port)}
            processes.callback(stop, spawn([sys.executable, "-m", "ops", "beat"], env=env, output=output))
        self.targets = [
            Target("web", f"127.0.0.1:{self.api.port}", self._token),
            Target("explain", f"127.0.0.1:{worker.port}"),
            Target("beat", f"127.0.0.1:{beat_port}"),
        ]
        wait_until(lambda: answers_ok(beat_port, "/health/live"), what="beat")
        self.prometheus: Prometheus = processes.enter_context(
            running_prometheus(folder, self.targets, interval_seconds=1.0)
        )

    def publish_keys(self, *names: str) -> None:
        """Replaces the API's key set in one step."""
        draft = self._keys.with_suffix(".new")
        draft.write_text(key_set(*names))
        draft.replace(self._keys)

    def mint(self, key: str) -> None:
        """Has the command mint the scraper's next token with a key."""
        subprocess.run(
            [sys.executable, "-m", "ops", "token", "--role", "metrics", "--days", "30", "--out", str(self._token)],
            env=os.environ | self._works.env | {"JWT_SECRET": SECRETS[key], "JWT_KEY_ID": key},
            check=True,
            capture_output=True,
        )

    def scrape_again(self) -> None:
        """Waits until each target was scraped some times more."""
        before = self._scrapes()
        wait_until(
            lambda: all(now >= then + _SCRAPES for now, then in zip(self._scrapes(), before, strict=True)),
            seconds=300,
            what="further scrapes",
        )

    def kill_one(self) -> None:
        """Kills a web process right after a scrape has ended, so that none is under way in it."""
        victim, scrapes = self.web_processes()[0], self._scrapes()[0]
        wait_until(lambda: self._scrapes()[0] > scrapes, seconds=300, what="a scrape")
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: len(self.web_processes()) == PROCESSES and victim not in self.web_processes(),
            seconds=180,
            what="its successor",
        )

    def web_processes(self) -> list[int]:
        """Returns the processes that gunicorn forked."""
        children = Path(f"/proc/{self.api.process.pid}/task/{self.api.process.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def requests(self, count: int) -> None:
        """Has so many requests answered, over connections of their own."""
        for _ in range(count):
            assert self.api.status("/health/live") == 200

    def counted(self) -> float:
        """Returns the requests that the API counted, by its latest scrape."""
        name = 'fraud_backend_requests_total{job="web",path="/health/live",status="200"}'
        return self.prometheus.value(name) or 0.0

    def seconds(self) -> float:
        """Returns how long all this has lasted."""
        return time.monotonic() - self.started + 60

    def _scrapes(self) -> list[int]:
        seen = self.prometheus.samples("up", seconds=self.seconds())
        found = {series.labels["job"]: len(series.values) for series in seen}
        return [found.get(target.job, 0) for target in self.targets]


@pytest.fixture(scope="module")
def place(works: Works, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as processes:
        yield Place(works, tmp_path_factory.mktemp("scraping"), processes)


@pytest.mark.slow
def test_all_are_up_and_no_counter_falls_through_a_killed_process_and_a_change_of_keys(place: Place) -> None:
    place.scrape_again()
    counted = place.counted()
    place.requests(40)
    place.scrape_again()
    place.kill_one()
    place.requests(40)
    place.scrape_again()
    place.publish_keys("old", "new")
    place.mint("new")
    place.scrape_again()
    place.publish_keys("new")
    place.scrape_again()
    findings = find(place.prometheus, place.targets, seconds=place.seconds())
    assert [problem for one in findings for problem in one.problems()] == []
    assert place.counted() - counted == 80
    assert place.prometheus.value('celery_queue_consumers{job="beat",queue="explain"}') == 1
    # The files of the killed process are gone, their sums are in those of process 0.
    owners = {int(file.stem.rpartition("_")[2]) for file in place.metrics.glob("*.db")}
    assert owners <= {0, *place.web_processes()}


@pytest.mark.slow
def test_prometheus_sees_the_api_down_with_a_token_of_a_key_that_is_gone(place: Place) -> None:
    place.publish_keys("stranger")
    place.scrape_again()
    web, *others = find(place.prometheus, place.targets, seconds=place.seconds())
    assert web.failed > 0
    assert [one.failed for one in others] == [0, 0]
