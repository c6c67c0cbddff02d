"""A machine whose clock is wrong: nothing that is answered depends on it, and metric and log name it."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ops.proving.chaos import shifted_clock
from security.roles import Role
from tasks.upkeep.queue_status import live_workers
from tests.integration.web.conftest import running_api
from tests.integration.web.requests import SCORE
from tests.integration.web.requests import transaction as body_of_a_transaction
from tests.integration.workers.conftest import RunningWorker, Works, transaction, wait_until

_DAY = 86_400


def environment(seconds: float) -> dict[str, str]:
    """Returns what shifts the clock of a Python process that is started with it."""
    [folder] = shifted_clock.__path__
    return {"PYTHONPATH": f"{folder}:{Path.cwd()}", "CLOCK_DRIFT_SECONDS": str(seconds)}


@pytest.fixture(params=[_DAY, -_DAY], ids=["a day ahead", "a day behind"])
def shifted(request: pytest.FixtureRequest, works: Works) -> Iterator[tuple[Works, RunningWorker, int]]:
    """A scoring worker whose clock is wrong."""
    own = Works(works.folder, works.env | environment(request.param), works.settings)
    with own.worker("score") as worker:
        yield own, worker, request.param


def test_a_worker_with_a_wrong_clock_answers_and_counts_as_alive(shifted: tuple[Works, RunningWorker, int]) -> None:
    works, worker, seconds = shifted
    [result] = works.score(transaction())
    assert result["status"] == "scored"
    assert abs(datetime.fromisoformat(result["decision"]["scored_at"]).timestamp() - time.time()) < 600
    assert [alive.queue for alive in live_workers(works.client, works.sign_seal)] == ["score"]
    # The watchdog's probe goes the same way as every message.
    wait_until(lambda: worker.metric("worker_probe_seconds") > 0, what="a probe")
    assert worker.metric('fraud_inference_requests_total{outcome="expired"}') == 0
    assert worker.metric("auth_failures_total") == 0
    assert abs(worker.metric('clock_offset_seconds{service="score"}') - seconds) < 60
    assert "this machine's clock disagrees" in worker.log.read_text()


def test_a_web_process_with_a_wrong_clock_gets_its_answers_and_names_whom_it_refuses(
    works: Works, score_worker: RunningWorker
) -> None:
    assert score_worker.pid
    ahead = 90  # within the allowed skew of 120 s, and far beyond every deadline
    with running_api(works, SCORE_TIMEOUT_MS="3000", **environment(ahead)) as api:
        with api.client() as client:
            wait_until(lambda: client.post(SCORE, body_of_a_transaction()).status == 200, what="a decision")
            late = int(time.time()) - 60
            answer = client.send("POST", SCORE, json.dumps(body_of_a_transaction()).encode(), timestamp=late)
            assert answer.status == 401
        with api.client(Role.ADMIN) as admin:
            metrics = admin.get("/metrics").body.decode()
        assert 'clock_refusals_total{reason="timestamp_skew"} 1.0' in metrics
        assert "this machine's clock is off" in api.log.read_text()
