"""Clocks that are wrong: the client's, a worker's."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ops.processes.health import answers_ok
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from ops.proving.chaos.clients.ledger import Sent, now
from ops.proving.chaos.clients.steady import PATH, attempt, transaction
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import wait_for

_HOUR = 3600
_SHIFTED_CLOCK = Path(__file__).parents[1] / "shifted_clock"


def client_clock(scene: Scene) -> Struck:
    """Signs with a clock an hour off, which is refused; and sends event times an hour off, which are scored."""
    problems: list[str] = []
    statuses: list[int] = []
    with scene.stack.client() as client:
        for step in (-_HOUR, _HOUR):
            body = json.dumps(transaction(scene.chance)).encode()
            answer = client.send("POST", PATH, body, timestamp=int(time.time()) + step)
            statuses.append(answer.status)
            wire = transaction(scene.chance, moment=time.time() + step)
            sent = Sent(wire["transaction_id"], json.dumps(wire).encode())
            scene.ledger.open(sent)
            attempt(client, sent)
            if not sent.answers:
                problems.append(f"an event {step} s from now was not scored: {sent.attempts[-1].status}")
    if set(statuses) != {401}:
        problems.append(f"signatures an hour off got {statuses}")
    return Struck(now(), "signatures an hour off got 401, events an hour off were scored", tuple(problems))


def worker_ahead(scene: Scene) -> Struck:
    """Adds a scoring worker whose clock is an hour ahead: by that clock, every message would be late."""
    return _drift(scene, _HOUR)


def worker_behind(scene: Scene) -> Struck:
    """Adds a scoring worker whose clock is an hour behind."""
    return _drift(scene, -_HOUR)


def _drift(scene: Scene, seconds: int) -> Struck:
    begun = now()
    with _drifting_worker(scene, seconds) as pid:
        time.sleep(scene.seconds(short=4.0, full=20.0))
        is_alive = Path(f"/proc/{pid}").exists()
    failed = sum(not one.is_answer for one in scene.ledger.attempts() if one.started_at >= begun)
    problems = () if is_alive else ("the worker with the wrong clock died",)
    return Struck(now(), f"{failed} attempts refused", problems)


@contextmanager
def _drifting_worker(scene: Scene, seconds: int) -> Iterator[int]:
    port = free_port()
    search_path = os.pathsep.join([str(_SHIFTED_CLOCK), *filter(None, [scene.stack.env.get("PYTHONPATH")])])
    env = {**scene.stack.env, "METRICS_PORT": str(port), "PYTHONPATH": search_path, "CLOCK_DRIFT_SECONDS": str(seconds)}
    with (scene.stack.folder / "log" / "score-3.log").open("ab") as output:
        process = spawn(
            [sys.executable, "-m", "ops", "worker", "score", "--number", "3"],
            env=env,
            output=output,
            directory=scene.stack.directory,
        )
    try:
        wait_for(partial(answers_ok, port, "/health/ready"), 60, "the worker with the wrong clock")
        yield process.pid
    finally:
        stop(process, grace_seconds=15)


FAULTS = (
    Fault(
        "client-clock",
        "a signature an hour off is refused with 401, an event time an hour off is scored",
        client_clock,
        recovery_seconds=None,
    ),
    Fault(
        "worker-clock-ahead",
        "messages that seem late to the worker are refused with 504, all others scored right; nothing crashes",
        worker_ahead,
    ),
    Fault("worker-clock-behind", "scored right; nothing crashes", worker_behind),
)
