"""SAFE MODE from end to end: real processes, a Redis that is killed, an audit in MongoDB."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from ml.policy.safe_mode_rules import RULES_VERSION
from ml.registry.registry import ModelRegistry
from ml.registry.release import release
from ml.stores.outbox.keys_redis import OUTBOX
from ml.training.trained_model import TrainedModel
from ops.client import Client
from ops.embedded.valkey import valkey
from ops.processes.ports import free_port
from security.artifacts.artifact_keys import ArtifactSigner
from security.audit.audit import AuditEvent
from security.roles import Role
from security.safe_mode.safe_mode_redis import STATE_KEY
from settings import Settings
from tasks.upkeep.queue_status import WORKERS
from tasks.wiring.connections import Connections
from tasks.wiring.stores import audit_log
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.web.test_outages import pid_on_port
from tests.integration.workers.conftest import RunningWorker, Works, wait_until
from tests.integration.workers.conftest import transaction as plain

DISABLE, ENABLE = "/admin/safe-mode/disable", "/admin/safe-mode/enable"


class Place:
    """A registry, a Redis and an audit of the test's own."""

    def __init__(self, works: Works, folder: Path, trained: TrainedModel, **more: str) -> None:
        self.port = free_port()
        self.folder = folder
        changes = {
            "REDIS_URL": f"redis://127.0.0.1:{self.port}/0",
            "MODEL_DIR": str(folder / "models"),
            "MONGO_DATABASE": f"safe_mode_{uuid4().hex[:8]}",
            "SCORE_TIMEOUT_MS": "3000",
            **more,
        }
        env = works.env | changes
        self.settings = Settings(_env_file=None, **{name.lower(): value for name, value in env.items()})
        self.works = Works(folder, env, self.settings)
        self.registry = ModelRegistry(self.settings.models_path)
        self.files = trained.files()

    def promote(self) -> str:
        signer = ArtifactSigner.from_settings(self.settings)
        version = release(self.files, registry=self.registry, signer=signer, metrics={}).model.version
        self.registry.promote(version)
        return version

    def graph(self, version: str) -> Path:
        return self.registry.directory(version) / "model.onnx.sealed"

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        with valkey(self.folder, port=self.port), redis.Redis(port=self.port) as client:
            yield client

    def audit(self) -> list[AuditEvent]:
        with Connections(self.settings) as connections:
            return audit_log(connections).latest(50)


def damage(path: Path) -> bytes:
    """Flips one bit and returns what was there before."""
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    return sound


def score(client: Client, **members: Any) -> Any:
    return client.post(SCORE, transaction(**members))


def seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def test_a_model_that_must_not_be_trusted_is_never_served_and_leaving_takes_a_passing_self_test(
    works: Works, tmp_path: Path, trained: TrainedModel
) -> None:
    place = Place(works, tmp_path, trained)
    version = place.promote()
    sound = damage(place.graph(version))
    with ExitStack() as server, ExitStack() as processes:
        switch = server.enter_context(place.redis())
        api: RunningApi = processes.enter_context(running_api(place.works, WEB_PROCESSES="2", SCORE_TIMEOUT_MS="3000"))
        admin, client = (processes.enter_context(api.client(role)) for role in (Role.ADMIN, Role.SERVICE))
        worker: RunningWorker = processes.enter_context(place.works.worker("score", until="/health/live"))

        # Entered by the worker itself, obeyed by the API at its next look, which it takes once a second.
        wait_until(lambda: switch.hget(STATE_KEY, "enabled") == b"1", what="SAFE MODE")
        state = admin.get("/admin/safe-mode").json()
        while (answer := score(client)).status != 503 and seconds_since(state["since"]) < 20:
            pass
        assert answer.json()["status"] == "safe_mode"
        assert seconds_since(state["since"]) < 20  # a second, and ten times what a busy machine adds
        assert version in state["reason"]
        assert "score" in state["by"]
        assert api.status("/health/ready") == 503
        wait_until(lambda: worker.metric('safe_mode_state{service="score"}') == 1, what="the worker's gauge")
        assert worker.metric('model_load_failures_total{check="hash"}') == 1

        # Nobody leaves it while the model is what it is.
        def names_the_file() -> bool:
            refused = admin.send("POST", DISABLE, b"")
            assert (refused.status, refused.json()["type"]) == (409, "/docs#problem-self-test-failed")
            return "is not the file" in refused.json()["failures"][0]

        # On a busy machine the worker's sign of life may be late.
        wait_until(names_the_file, what="the refusal by the worker")

        # It outlives Redis.
        os.kill(pid_on_port(place.port), signal.SIGKILL)
        server.close()
        switch = server.enter_context(place.redis())
        wait_until(lambda: admin.get("/admin/safe-mode").status == 200, what="the switch to be readable")
        again = admin.get("/admin/safe-mode").json()
        assert again == state
        wait_until(lambda: score(client).json().get("status") == "safe_mode", what="refusals after the restart")

        # Mended, it is left, and the worker gets its model without a restart.
        place.graph(version).write_bytes(sound)
        assert score(client).status == 503
        wait_until(lambda: admin.send("POST", DISABLE, b"").status == 200, what="a passing self-test")
        wait_until(lambda: score(client).status == 200, what="scoring")
        assert api.status("/health/ready") == 200

        # With a model serving, a worse one changes nothing.
        damage(place.graph(place.promote()))
        wait_until(lambda: worker.metric("model_load_failures_total{") >= 2, what="the second refusal")
        answers = [score(client) for _ in range(10)]
        assert {answer.status for answer in answers} == {200}
        assert {answer.json()["model_version"] for answer in answers} == {version}

        with place.works.worker("explain"):
            wait_until(lambda: len(place.audit()) >= 3, what="the audit")
        actions = [(event.action, event.by) for event in reversed(place.audit())]
    assert actions[0] == ("safe_mode.enabled", state["by"])
    assert actions[1][0] == "safe_mode.kept"
    assert actions[-1][0] == "safe_mode.disabled"
    assert actions[-1][1].startswith("test-")


def test_an_administrator_s_switch_is_obeyed_by_every_process_within_a_second_and_audited(
    works: Works, tmp_path: Path, trained: TrainedModel
) -> None:
    place = Place(works, tmp_path, trained)
    place.promote()
    with place.redis(), ExitStack() as processes:
        workers = [processes.enter_context(place.works.worker("score", number=number)) for number in (1, 2)]
        api: RunningApi = processes.enter_context(running_api(place.works, WEB_PROCESSES="2", SCORE_TIMEOUT_MS="3000"))
        admin = processes.enter_context(api.client(Role.ADMIN))
        clients = [processes.enter_context(api.client()) for _ in range(6)]  # spread over both processes
        wait_until(lambda: all(score(client).status == 200 for client in clients), what="decisions")
        assert admin.post(ENABLE, {"reason": "drill"}).status == 200
        time.sleep(1)
        assert {score(client).status for client in clients} == {503}
        assert place.works.score(plain(), plain())[0] == {
            "status": "safe_mode",
            "reason": "drill",
        }
        assert [worker.metric('safe_mode_state{service="score"}') for worker in workers] == [1, 1]
        # A worker that somebody made up is waited for by nobody.
        name, sign = next(iter(place.works.client.hgetall(WORKERS).items()))
        place.works.client.hset(WORKERS, "ghost", sign.replace(name, b"ghost"))
        # Both workers must be well; one that hangs is reason enough to stay.
        os.kill(workers[1].pid, signal.SIGSTOP)
        try:
            refused = admin.send("POST", DISABLE, b"")
        finally:
            os.kill(workers[1].pid, signal.SIGCONT)
        assert refused.status == 409
        assert "did not answer" in str(refused.json()["failures"])
        assert "ghost" not in str(refused.json()["failures"])
        wait_until(lambda: admin.send("POST", DISABLE, b"").status == 200, what="a passing self-test")
        time.sleep(1)
        assert {score(client).status for client in clients} == {200}


@pytest.mark.parametrize("model", ["sound", "damaged"])
def test_rules_decide_in_place_of_the_model_if_the_policy_says_so(
    works: Works, tmp_path: Path, trained: TrainedModel, model: str
) -> None:
    place = Place(works, tmp_path, trained, SAFE_MODE_POLICY="rules", SAFE_MODE_APPROVE_UP_TO="20")
    version = place.promote()
    if model == "damaged":
        damage(place.graph(version))
    noon = int(time.time()) // 86_400 * 86_400 - 43_200
    with place.redis() as client_of_redis, ExitStack() as processes:
        until = "/health/ready" if model == "sound" else "/health/live"
        worker = processes.enter_context(place.works.worker("score", until=until))
        api: RunningApi = processes.enter_context(running_api(place.works, SCORE_TIMEOUT_MS="3000"))
        admin, client, reader = (
            processes.enter_context(api.client(role)) for role in (Role.ADMIN, Role.SERVICE, Role.READ)
        )
        if model == "sound":
            wait_until(lambda: score(client).status == 200, what="a decision")
            admin.post(ENABLE, {"reason": "drill"})
        wait_until(lambda: score(client).json().get("model_version") == RULES_VERSION, what="a decision by rules")
        before = client_of_redis.xlen(OUTBOX)
        small = transaction(amount="20", channel="pos", timestamp=noon)
        large = transaction(amount="20.01", channel="pos", timestamp=noon)
        huge = transaction(amount="5000", channel="pos", timestamp=noon)
        answers = [client.post(SCORE, body).json() for body in (small, large, huge)]
        assert [answer["decision"] for answer in answers] == ["approve", "review", "decline"]
        assert all(answer["safe_mode"] is True for answer in answers)
        # Answered means recorded and owed to the sinks, and a retry gets the same.
        assert client_of_redis.xlen(OUTBOX) == before + 3
        again = client.post(SCORE, large).json()
        assert {name: again[name] for name in ("decision", "scored_at", "safe_mode")} == {
            name: answers[1][name] for name in ("decision", "scored_at", "safe_mode")
        }
        assert client.post(SCORE, large | {"amount": "1"}).status == 409
        assert reader.get(f"/predictions/{large['transaction_id']}").json()["safe_mode"] is True
        assert api.status("/health/ready") == 200
        wait_until(lambda: worker.get("/health/ready")[0] == 200, what="a worker that can decide")
        assert worker.metric('model_decisions_total{channel="pos",decision="approve",model_version="rules-1"') >= 1
        if model == "sound":
            assert admin.send("POST", DISABLE, b"").status == 200
            wait_until(lambda: score(client).json()["model_version"] == version, what="the model again")
            assert client.post(SCORE, large).json()["model_version"] == RULES_VERSION
        else:
            assert admin.send("POST", DISABLE, b"").status == 409
