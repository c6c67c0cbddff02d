"""What clients see when something behind the API is missing; no scoring worker runs but where a test starts one."""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from ml.stores.decisions.keys_redis import decision_key
from ops.embedded.mongo import mongo
from ops.embedded.valkey import valkey
from security.roles import Role
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, wait_until

_FOR_EVER = 100
"""Seconds. A request that waits for Redis and not for its own deadline takes longer and fails its test, on any machine:
where a server is frozen, the API's connections to it wait twice as long."""


def test_without_a_worker_requests_end_at_their_deadline_and_then_at_once(works: Works) -> None:
    works.client.delete("score")
    with running_api(works, SCORE_TIMEOUT_MS="250") as api, api.client(timeout_seconds=_FOR_EVER) as client:
        answers = []
        while not answers or answers[-1].status == 504:
            started = time.monotonic()
            answers.append(client.post(SCORE, transaction()))
            assert time.monotonic() - started > 0.2 or answers[-1].status == 503
        # Five failures open the breaker; a request that ended before it was sent is none.
        assert 5 <= len(answers) - 1 <= 10
        assert {answer.json()["type"] for answer in answers[:-1]} == {"/docs#problem-deadline"}
        assert (answers[-1].status, answers[-1].json()["type"]) == (503, "/docs#problem-scoring-suspended")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 1.5 * 15 + 1  # CB_OPEN_SEC, spread over the clients
        with api.client(Role.ADMIN) as admin:
            assert 'circuit_breaker_state{dependency="scoring"} 2.0' in admin.get("/metrics").body.decode()
    works.client.delete("score")


def test_without_redis_requests_are_refused_soon_and_the_process_lives(works: Works, tmp_path: Path) -> None:
    with valkey(tmp_path) as url:
        server = pid_on_port(int(url.rsplit(":", 1)[1].split("/")[0]))
        patient = {"REDIS_URL": url, "SCORE_TIMEOUT_MS": "250", "REDIS_SOCKET_TIMEOUT_SECONDS": str(2 * _FOR_EVER)}
        with running_api(works, **patient) as api, api.client(timeout_seconds=_FOR_EVER) as client:
            os.kill(server, signal.SIGSTOP)
            try:
                for _ in range(3):
                    assert client.post(SCORE, transaction()).status == 503
                assert api.status("/health/live") == 200
                assert api.status("/health/ready") == 503
                with api.client(Role.ADMIN, timeout_seconds=_FOR_EVER) as admin:
                    assert admin.get("/metrics").status == 200
            finally:
                os.kill(server, signal.SIGCONT)
            wait_until(lambda: client.post(SCORE, transaction()).status == 504, what="Redis to be asked again")


def test_without_mongodb_explanations_are_refused_at_once_after_some_waits_and_scoring_goes_on(
    works: Works, tmp_path: Path
) -> None:
    with works.worker("score"), mongo(tmp_path) as url:
        server = pid_on_port(int(url.rsplit(":", 1)[1].split("/")[0]))
        short = {"MONGO_URL": url, "CB_MAX_FAILURES": "1", "CB_OPEN_SEC": "2", "SCORE_TIMEOUT_MS": "3000"}
        with running_api(works, **short) as api, api.client(Role.SERVICE, Role.READ) as client:
            os.kill(server, signal.SIGKILL)
            details = []
            while "is not asked yet" not in (details or [""])[-1]:
                answer = client.get("/explanations?customer_id=c-1")
                assert (answer.status, answer.json()["type"]) == (503, "/docs#problem-unavailable")
                details.append(answer.json()["detail"])
            assert len(details) == 2
            assert 1 <= int(answer.headers["retry-after"]) <= 1.5 * 2 + 1  # CB_OPEN_SEC, spread
            with api.client(Role.ADMIN) as admin:
                shown = admin.get("/metrics").body.decode()
            assert 'circuit_breaker_state{dependency="mongo"} 2.0' in shown
            assert 'circuit_breaker_state{dependency="redis"} 0.0' in shown
            assert client.post(SCORE, transaction()).status == 200
            (tmp_path / "anew").mkdir()
            with mongo(tmp_path / "anew", port=int(url.rsplit(":", 1)[1].split("/")[0])):
                wait_until(lambda: client.get("/explanations?customer_id=c-1").status == 200, what="a probe")


def test_a_frozen_broker_opens_the_breaker_and_a_thawed_one_closes_it(works: Works, tmp_path: Path) -> None:
    with valkey(tmp_path) as url:
        server = pid_on_port(int(url.rsplit(":", 1)[1].split("/")[0]))
        short = {"BROKER_URL": url, "SCORE_TIMEOUT_MS": "250", "CB_OPEN_SEC": "1"}
        patient = {"REDIS_SOCKET_TIMEOUT_SECONDS": str(2 * _FOR_EVER)}
        with running_api(works, **short, **patient) as api, api.client(timeout_seconds=_FOR_EVER) as client:
            assert client.post(SCORE, transaction()).status == 504
            os.kill(server, signal.SIGSTOP)
            try:
                problems = [client.post(SCORE, transaction()).json()["type"] for _ in range(10)]
                kinds = {problem.rpartition("problem-")[2] for problem in problems}
                assert "scoring-suspended" in kinds
                assert kinds <= {"scoring-suspended", "unavailable", "deadline"}
            finally:
                os.kill(server, signal.SIGCONT)
            wait_until(lambda: client.post(SCORE, transaction()).status == 504, what="a probe to reach the queue")


def test_redis_killed_under_load_hangs_nobody_and_service_comes_back(works: Works, tmp_path: Path) -> None:
    outcomes: Counter[int] = Counter()
    stopped = threading.Event()

    def send(api: RunningApi) -> None:
        with api.client(timeout_seconds=_FOR_EVER) as client:
            while not stopped.is_set():
                outcomes[client.post(SCORE, transaction()).status] += 1

    with valkey(tmp_path) as url:
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        elsewhere = Works(works.folder, works.env | {"REDIS_URL": url}, works.settings)
        limits = {"SCORE_TIMEOUT_MS": "1000", "CB_OPEN_SEC": "1"}
        with elsewhere.worker("score"), running_api(elsewhere, **limits) as api:
            clients = [threading.Thread(target=send, args=(api,)) for _ in range(8)]
            for thread in clients:
                thread.start()
            wait_until(lambda: outcomes[200] >= 50, what="some traffic")
            os.kill(pid_on_port(port), signal.SIGKILL)
            wait_until(lambda: outcomes[503] + outcomes[504] >= 50, what="refusals")
            with valkey(tmp_path, port=port):
                scored = outcomes[200]
                wait_until(lambda: outcomes[200] >= scored + 50, what="service to come back")
                stopped.set()
                for thread in clients:
                    thread.join(_FOR_EVER)
            assert not any(thread.is_alive() for thread in clients)
    assert set(outcomes) <= {200, 503, 504}


def test_a_frozen_worker_costs_its_callers_their_deadline_and_what_is_late_is_not_scored(works: Works) -> None:
    late = transaction()
    with (
        works.worker("score") as worker,
        running_api(works, SCORE_TIMEOUT_MS="400") as api,
        api.client(timeout_seconds=20) as client,
    ):
        wait_until(lambda: client.post(SCORE, transaction()).status == 200, what="a decision in time")
        before = worker.metric('fraud_inference_requests_total{outcome="expired"}')
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            assert client.post(SCORE, late).status == 504
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        wait_until(
            lambda: worker.metric('fraud_inference_requests_total{outcome="expired"}') > before,
            what="the late message to be dropped and counted",
        )
        assert works.client.exists(decision_key(late["transaction_id"])) == 0
        wait_until(lambda: client.post(SCORE, late).status == 200, what="the retry to be scored")


def pid_on_port(port: int) -> int:
    """Returns the process that listens on a loopback port."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and int(columns[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{columns[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in inodes:
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError(f"nobody listens on {port}")
