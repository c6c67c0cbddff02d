"""Real workers of every kind, as processes, on the shared servers."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
import redis
from celery import Celery
from dotenv import dotenv_values

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.stores.decisions.replies_redis import RedisReplyBox
from ml.training.trained_model import TrainedModel
from ops.credentials.development_keys import make_development_keys
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from security.artifacts.artifact_keys import ArtifactSigner
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from settings import Settings
from tasks.messaging.doorbells import sign_doorbells
from tasks.messaging.messages import MessagePublisher
from tasks.messaging.scoring_message import seal_batch
from tasks.upkeep.queue_status import SIGN_OF_LIFE
from tasks.wiring.clients_redis import Wait, connect_redis
from tasks.wiring.connections import Connections
from tasks.wiring.scoring_queue import message_queue

_DATABASE = 7
_NUMBERS: dict[tuple[str, str], set[int]] = {}
"""The numbers of the workers that run now, by broker and queue."""


def wait_until(condition: Callable[[], bool], *, seconds: float = 120.0, what: str = "the condition") -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"{what} did not come true within {seconds} s")
        time.sleep(0.05)


def settings_of(env: Mapping[str, str]) -> Settings:
    """Returns the settings that a process with this environment has."""
    values = {name.lower(): json.loads(value) if value[:1] in {"{", "["} else value for name, value in env.items()}
    return Settings(_env_file=None, **values)


@dataclass
class RunningWorker:
    """A worker process and where its endpoint listens."""

    pid: int
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def metric(self, line_start: str) -> float:
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(line_start)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@dataclass
class Works:
    """Everything a test needs to run workers and talk to them."""

    folder: Path
    env: dict[str, str]
    settings: Settings
    client: redis.Redis = field(init=False)

    def __post_init__(self) -> None:
        self.client = connect_redis(self.settings)
        self.app = Celery("test")
        self.app.config_from_object("celeryconfig")
        self.app.conf.broker_url = self.settings.redis_url
        sign_doorbells(MessageSigner.from_settings(self.settings))
        self.publisher = MessagePublisher(
            self.app, MessageSigner.from_settings(self.settings), message_queue(Connections(self.settings))
        )
        self.sign_seal = StoredSeal.from_settings(self.settings, SIGN_OF_LIFE)
        self.box = RedisReplyBox(connect_redis(self.settings, wait=Wait(20, retries=0)))

    @contextmanager
    def worker(self, queue: str, *, until: str = "/health/ready", number: int | None = None) -> Iterator[RunningWorker]:
        """Runs a worker until the block ends, by default under the lowest number that no other one of the tests has."""
        taken = _NUMBERS.setdefault((self.settings.celery_broker_url, queue), set())
        own = number or next(free for free in count(1) if free not in taken)
        taken.add(own)
        try:
            with self._worker(queue, until, own) as running:
                yield running
        finally:
            taken.discard(own)

    @contextmanager
    def _worker(self, queue: str, until: str, number: int) -> Iterator[RunningWorker]:
        port = free_port()
        log = self.folder / f"{queue}-{port}.log"
        command = [sys.executable, "-m", "ops", "worker", queue, "--number", str(number)]
        with log.open("wb") as output:
            env = os.environ | self.env | self.own_folder() | {"METRICS_PORT": str(port)}
            process = spawn(command, env=env, output=output)
        running = RunningWorker(process.pid, port, log)
        try:
            wait_until(lambda: running.get(until)[0] == 200, seconds=180, what=f"the {queue} worker")
            yield running
        finally:
            stop(process)

    def own_folder(self) -> dict[str, str]:
        """Returns the settings of a folder per Redis: what is remembered of one server is not said of another."""
        servers = " ".join(self.env.get(name, "") for name in ("REDIS_URL", "FEATURE_REDIS_URL"))
        name = hashlib.sha256(servers.encode()).hexdigest()[:8]
        return {"VAR_DIR": str(self.folder / f"var-{name}"), "MODEL_DIR": str(self.settings.models_path)}

    def score(self, *transactions: Transaction, seconds: float = 15.0) -> list[dict]:
        batch_id = uuid4().hex
        deadline_ms = int((time.time() + seconds) * 1000)
        requests = [ScoringRequest(item, item.fingerprint(), f"corr-{item.transaction_id}") for item in transactions]
        self.publisher.send(
            seal_batch(self.publisher, requests, batch_id=batch_id, reply_to=self.box.address, deadline_ms=deadline_ms)
        )
        reply = self.box.wait(seconds)
        assert reply is not None
        content = orjson.loads(reply)
        assert content["batch_id"] == batch_id
        return content["results"]


@pytest.fixture(scope="session")
def works(
    tmp_path_factory: pytest.TempPathFactory,
    trained: TrainedModel,
    valkey_url: str,
    mongo_url: str,
    kafka_bootstrap: str,
) -> Works:
    """A place with keys, a promoted model and servers, for workers started by `Works.worker`."""
    folder = tmp_path_factory.mktemp("works")
    keys = dotenv_values(make_development_keys(folder / "keys", replace=False))
    run = uuid4().hex[:8]
    env = {name: value for name, value in keys.items() if value is not None} | {
        "VAR_DIR": str(folder / "var"),
        "METRICS_PORT_BASE": "0",
        "REDIS_URL": f"{valkey_url.rsplit('/', 1)[0]}/{_DATABASE}",
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": f"works_{run}",
        "KAFKA_BOOTSTRAP": kafka_bootstrap,
        "KAFKA_TOPIC_SCORED": f"scored-{run}",
        "KAFKA_TOPIC_RAW": f"raw-{run}",
    }
    settings = settings_of(env)
    registry = ModelRegistry(settings.models_path)
    version = release(trained.files(), registry=registry, signer=ArtifactSigner.from_settings(settings), metrics={})
    registry.promote(version.model.version)
    works = Works(folder, env, settings)
    works.client.flushdb()
    return works


@pytest.fixture(scope="module")
def score_worker(works: Works) -> Iterator[RunningWorker]:
    """One scoring worker."""
    with works.worker("score") as worker:
        yield worker


def transaction(transaction_id: str | None = None, **fields: object) -> Transaction:
    """A plain transaction with an id of its own."""
    defaults = {
        "transaction_id": transaction_id or uuid4().hex,
        "timestamp": time.time(),
        "customer_id": "c-1",
        "terminal_id": "terminal-1",
        "amount": "12.50",
        "currency": "EUR",
        "channel": "pos",
    }
    return Transaction(**(defaults | fields))


@pytest.fixture
def make_transaction() -> Callable[..., Transaction]:
    """Makes plain transactions."""
    return transaction
