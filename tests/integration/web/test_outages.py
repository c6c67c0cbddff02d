"""What clients see when something behind the API is missing; no scoring worker runs here."""

import os
import signal
import time
from pathlib import Path

from ops.embedded.valkey import valkey
from security.roles import Role
from tests.integration.web.conftest import running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, wait_until


def test_without_a_worker_requests_end_at_their_deadline_and_then_at_once(works: Works) -> None:
    works.client.delete("score")
    with running_api(works, SCORE_TIMEOUT_MS="250") as api, api.client() as client:
        answers = []
        while not answers or answers[-1].status == 504:
            started = time.monotonic()
            answers.append(client.post(SCORE, transaction()))
            took = time.monotonic() - started
            assert took < 2.0  # a busy machine is slow, an unbounded wait is slower
            assert took > 0.2 or answers[-1].status == 503
        # Five failures open the breaker; a request that ended before it was sent is none.
        assert 5 <= len(answers) - 1 <= 10
        assert {answer.json()["type"] for answer in answers[:-1]} == {"/docs#problem-deadline"}
        assert (answers[-1].status, answers[-1].json()["type"]) == (503, "/docs#problem-scoring-suspended")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 15
        with api.client(Role.ADMIN) as admin:
            assert 'circuit_breaker_state{dependency="scoring"} 2.0' in admin.get("/metrics").body.decode()
    works.client.delete("score")


def test_without_redis_requests_are_refused_soon_and_the_process_lives(works: Works, tmp_path: Path) -> None:
    with valkey(tmp_path) as url:
        server = pid_on_port(int(url.rsplit(":", 1)[1].split("/")[0]))
        with running_api(works, REDIS_URL=url, SCORE_TIMEOUT_MS="250") as api, api.client() as client:
            os.kill(server, signal.SIGSTOP)
            try:
                for _ in range(3):
                    started = time.monotonic()
                    assert client.post(SCORE, transaction()).status == 503
                    assert time.monotonic() - started < 2.0  # a busy machine is slow, an unbounded wait is slower
                assert api.status("/health/live") == 200
                started = time.monotonic()
                assert api.status("/health/ready") == 503
                with api.client(Role.ADMIN) as admin:
                    assert admin.get("/metrics").status == 200
                assert time.monotonic() - started < 6
            finally:
                os.kill(server, signal.SIGCONT)
            wait_until(lambda: client.post(SCORE, transaction()).status == 504, what="Redis to be asked again")


def test_a_frozen_broker_opens_the_breaker_and_a_thawed_one_closes_it(works: Works, tmp_path: Path) -> None:
    with valkey(tmp_path) as url:
        server = pid_on_port(int(url.rsplit(":", 1)[1].split("/")[0]))
        short = {"BROKER_URL": url, "SCORE_TIMEOUT_MS": "250", "CB_OPEN_SEC": "1"}
        with running_api(works, **short) as api, api.client() as client:
            assert client.post(SCORE, transaction()).status == 504
            os.kill(server, signal.SIGSTOP)
            try:
                kinds = []
                for _ in range(10):
                    started = time.monotonic()
                    kinds.append(client.post(SCORE, transaction()).json()["type"].rpartition("problem-")[2])
                    assert time.monotonic() - started < 2.0  # a busy machine is slow, an unbounded wait is slower
                assert "scoring-suspended" in kinds
                assert set(kinds) <= {"scoring-suspended", "unavailable", "deadline"}
            finally:
                os.kill(server, signal.SIGCONT)
            wait_until(lambda: client.post(SCORE, transaction()).status == 504, what="a probe to reach the queue")


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
