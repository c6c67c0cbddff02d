"""Every kind of process on one real server, each connected as its own user: together they do all their work."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Consumer

from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key
from ml.stores.outbox.outbox import SINKS
from ml.training.trained_model import TrainedModel
from ops.credentials.redis_grants import USER_OF_ROLE
from ops.credentials.service_keys import NEEDS, needed
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from security.artifacts.artifact_keys import ArtifactSigner
from security.roles import Role
from tasks.wiring.clients_mongo import connect_mongo
from tests.integration.ops.guarded import Guarded, guarded_server
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import RunningWorker, Works, settings_of, wait_until, works

__all__ = ["works"]

WATCHED = ("score", "explain", "publish", "labels")
WORKERS = (*WATCHED, "retrain")
ALL_KEYS = tuple({name for names in NEEDS.values() for name in names})


def _with_own_keys_only(user: str, env: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment without the keys that are not this user's; an empty one would hide a file's."""
    own = needed(user, env)
    return {name: value for name, value in env.items() if name in own or not name.startswith(ALL_KEYS)}


class Platform:
    """Workers of every queue, beat, Flower and the API, each with the credentials of its role."""

    def __init__(self, guarded: Guarded, works: Works, folder: Path, trained: TrainedModel) -> None:
        self.admin = guarded.client("admin")
        self.processes = ExitStack()
        self._guarded, self._works, self._folder = guarded, works, folder
        self._changes = {
            "VAR_DIR": str(folder / "var"),
            "MONGO_DATABASE": f"users_{uuid4().hex[:8]}",
            "KAFKA_TOPIC_SCORED": f"users-scored-{uuid4().hex[:8]}",
            "SCORE_TIMEOUT_MS": "5000",
            "DURABILITY": "aof-fsync",
            "DRAIN_FALLBACK_SECONDS": "0.5",
            "WATCHDOG_SECONDS": "1",
        }
        self.operator_works = self.place("admin")
        self.settings = self.operator_works.settings
        registry, signer = ModelRegistry(self.settings.models_path), ArtifactSigner.from_settings(self.settings)
        registry.promote(release(trained.files(), registry=registry, signer=signer, metrics={}).model.version)
        self.database = connect_mongo(self.settings)
        self.processes.callback(self.database.client.close)
        self.workers: dict[str, RunningWorker] = {}
        self.flower_port = free_port()

    def place(self, user: str, *, own_keys_only: bool = False) -> Works:
        """Returns the environment of processes of a user."""
        env = self._works.env | self._changes | self._guarded.env(user)
        if own_keys_only:
            env = _with_own_keys_only(user, env)
        return Works(self._folder, env, settings_of(env))

    def start(self) -> None:
        """Starts all at once and waits until each is ready."""
        self.workers = {queue: self._start_worker(queue) for queue in WORKERS}
        self._start("beat")
        self._start("flower", FLOWER_PORT=str(self.flower_port))
        self.api: RunningApi = self.processes.enter_context(running_api(self.place("web", own_keys_only=True)))
        for queue, worker in self.workers.items():
            wait_until(lambda worker=worker: worker.get("/health/ready")[0] == 200, seconds=180, what=f"{queue} worker")
        self.client = self.processes.enter_context(self.api.client(Role.SERVICE))
        self.operator = self.processes.enter_context(self.api.client(Role.ADMIN))

    def _start_worker(self, queue: str) -> RunningWorker:
        port = free_port()
        return RunningWorker(self._start(queue, "worker", METRICS_PORT=str(port)), port, self._folder / f"{queue}.log")

    def _start(self, role: str, *words: str, **env: str) -> int:
        command = [sys.executable, "-m", "ops", *words, role]
        user = USER_OF_ROLE[role]
        own = _with_own_keys_only(user, self._works.env | self._changes | self._guarded.env(user))
        with (self._folder / f"{role}.log").open("wb") as output:
            process = spawn(command, env=os.environ | own | env, output=output)
        self.processes.callback(stop, process, grace_seconds=20)
        return process.pid

    def score(self) -> dict[str, Any]:
        """Returns the answer to a new transaction."""
        answers: list[dict[str, Any]] = []

        def is_answered() -> bool:
            answer = self.client.post(SCORE, transaction())
            if answer.is_ok:
                answers.append(answer.json())
            return answer.is_ok

        wait_until(is_answered, what="an answer")
        return answers[0]

    def ask_flower(self, path: str) -> tuple[int, str]:
        """Returns status and body of one of Flower's pages."""
        password = self.settings.flower_password
        assert password is not None
        credentials = f"{self.settings.flower_user}:{password.get_secret_value()}".encode()
        connection = HTTPConnection("127.0.0.1", self.flower_port, timeout=10)
        try:
            connection.request(
                "GET", path, headers={"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
            )
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def refused(self) -> set[tuple[str, str, str, str]]:
        """Returns what the server refused: user, kind, the command, key or channel, and the command it was part of.

        Its configuration is asked for by every process and refused to all, since it holds passwords.
        """
        entries = self.admin.execute_command("ACL", "LOG", "128")
        refusals = [[entry[name].decode() for name in (b"username", b"reason", b"object")] for entry in entries]
        commands = [entry[b"client-info"].decode().partition(" cmd=")[2].split(" ")[0] for entry in entries]
        return {(*each, command) for each, command in zip(refusals, commands, strict=True) if each[2] != "config|get"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, works: Works, trained: TrainedModel) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with guarded_server(folder, appendfsync="always") as guarded:
        platform = Platform(guarded, works, folder, trained)
        with platform.processes:
            platform.start()
            yield platform


def test_a_scored_transaction_reaches_mongodb_and_kafka(platform: Platform) -> None:
    scored = {platform.score()["transaction_id"] for _ in range(5)}
    store = MongoExplanationStore(platform.database["explanations"])
    wait_until(lambda: store.existing(list(scored)) == scored, what="explanations")
    consumer = Consumer(
        {
            "bootstrap.servers": platform.settings.kafka_bootstrap,
            "group.id": uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([platform.settings.kafka_topic_scored])
    published: set[str] = set()

    def are_published() -> bool:
        messages = [message for message in consumer.consume(100, timeout=0.2) if message.error() is None]
        published.update(orjson.loads(message.value())["transaction_id"] for message in messages)
        return scored <= published

    wait_until(are_published, what="publications")
    consumer.close()
    wait_until(lambda: all(platform.admin.zcard(awaiting_key(sink)) == 0 for sink in SINKS), what="acknowledgements")
    wait_until(lambda: platform.admin.xlen(OUTBOX) == 0, what="an empty outbox")


def test_a_label_reaches_mongodb(platform: Platform) -> None:
    labelled = platform.score()["transaction_id"]
    label = {"transaction_id": labelled, "label": "fraud", "source": "chargeback", "labelled_at": time.time()}
    assert platform.client.post("/labels", label).status == 202
    labels = platform.database["labels"]
    wait_until(lambda: labels.find_one({"_id": labelled}) is not None, what="the label")


def test_safe_mode_is_entered_and_left(platform: Platform) -> None:
    assert platform.operator.post("/admin/safe-mode/enable", {"reason": "drill"}).is_ok
    wait_until(lambda: platform.client.post(SCORE, transaction()).status == 503, what="SAFE MODE")
    wait_until(lambda: platform.operator.send("POST", "/admin/safe-mode/disable").is_ok, what="its end")
    platform.score()
    audit = platform.database["audit"]
    wait_until(lambda: audit.count_documents({}) >= 2, what="the audit")


def test_a_model_is_promoted_over_the_api(platform: Platform) -> None:
    champion = platform.operator.get("/admin/models").json()["champion"]
    assert platform.operator.post(f"/admin/models/{champion}/promote", {"reason": "drill"}).is_ok


def test_the_api_sees_queues_streams_and_workers(platform: Platform) -> None:
    queues = platform.operator.get("/admin/queues").json()
    assert {queue["queue"]: queue["consumers"] for queue in queues["queues"]} == dict.fromkeys(WORKERS, 1)
    assert set(queues["outbox"]) == {"explain", "publish", "labels"}
    assert platform.api.status("/health/ready") == 200


def test_a_revoked_subject_is_refused(platform: Platform) -> None:
    subject = f"revoked-{uuid4().hex[:8]}"
    with platform.api.client(Role.ADMIN, subject=subject) as client:
        assert client.send("GET", "/metrics", is_signed=False).is_ok
        env = os.environ | platform.operator_works.env
        subprocess.run([sys.executable, "-m", "ops", "revoke", "add", "subject", subject], env=env, check=True)
        wait_until(lambda: client.send("GET", "/metrics", is_signed=False).status == 401, what="the refusal")


@pytest.mark.parametrize("queue", WATCHED)
def test_a_watchdogs_probe_is_answered(platform: Platform, queue: str) -> None:
    wait_until(lambda: platform.workers[queue].metric("worker_probe_seconds{") > 0, what="an answered probe")


@pytest.mark.parametrize("queue", WORKERS)
def test_an_unreadable_message_is_put_aside(platform: Platform, queue: str) -> None:
    platform.admin.lpush(queue, "rubbish")
    wait_until(lambda: platform.admin.exists(f"shrike:dead-messages:{queue}") == 1, what="the message")


@pytest.mark.parametrize("task", ["drift.check", "reconcile.run", "retraining.run"])
def test_the_trainer_runs_its_tasks(platform: Platform, task: str) -> None:
    platform.operator_works.app.send_task(task)
    trainer = platform.workers["retrain"]
    ended = f'celery_task_total{{state="success",task="{task}"}}'
    wait_until(lambda: trainer.metric(ended) > 0, what=task)


def test_beat_keeps_its_schedule(platform: Platform) -> None:
    wait_until(lambda: platform.admin.exists("shrike:redbeat:drain labels") == 1, what="the time of a doorbell")
    assert platform.admin.exists("shrike:redbeat::lock") == 1


def test_flower_sees_workers_events_and_queues(platform: Platform) -> None:
    wait_until(lambda: platform.ask_flower("/healthcheck")[0] == 200, what="Flower")
    platform.score()
    wait_until(lambda: "scoring.score" in platform.ask_flower("/metrics")[1], what="events")
    status, workers = platform.ask_flower("/api/workers?refresh=1")
    assert status == 200
    assert {name.partition("-")[0] for name in orjson.loads(workers)} == set(WORKERS)
    status, queues = platform.ask_flower("/api/queues/length")
    assert status == 200
    assert orjson.loads(queues)["active_queues"]


def test_an_api_that_scores_by_itself_does_both_parts(platform: Platform) -> None:
    scoring = platform.place("web-scoring")
    with running_api(scoring, USE_LOCAL_INFERENCE="true") as api, api.client(Role.SERVICE) as client:
        wait_until(lambda: client.post(SCORE, transaction()).is_ok, what="an answer")


def test_the_server_refused_nothing(platform: Platform) -> None:
    """The last one: everything was done, and ending takes commands too."""
    platform.processes.close()
    assert platform.refused() == set()
