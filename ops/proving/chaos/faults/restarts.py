"""Every process is replaced while traffic flows, as at an upgrade."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ops.processes.spawn import spawn, stop
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import wait_for

_IN_TURN = ("score-1", "score-2")
_TOGETHER = ("explain", "publish", "labels", "retrain", "beat")
"""No answer waits for these; their successors do what they leave undone."""


def roll(scene: Scene) -> Struck:
    """Ends each process with SIGTERM and awaits its successor.

    While one instance of the API is replaced, another serves on the same port.
    """
    for name in _IN_TURN:
        scene.stack.kill_and_await_successor(name, signal.SIGTERM)
    ended = {name: scene.stack.signal(name, signal.SIGTERM) for name in _TOGETHER}
    for name, pid in ended.items():
        scene.stack.await_successor(name, pid)
    for pid in _children(scene.stack.pid("web")):
        os.kill(pid, signal.SIGTERM)
        wait_for(partial(_is_gone, pid), 40, "a web process to end")
        wait_for(lambda: len(_children(scene.stack.pid("web"))) == 2, 40, "its successor")
    with _second_api(scene):
        scene.stack.kill_and_await_successor("web", signal.SIGTERM)
        # Either instance answers on the port: only its own log shows that the new one serves.
        log = scene.stack.folder / "log" / "web.log"
        wait_for(partial(_has_served, scene, log, log.stat().st_size), 90, "the new API to answer")
    replaced = len(_IN_TURN) + len(_TOGETHER)
    return Struck(now(), f"{replaced - 1} workers, beat, two web processes and the whole API replaced")


@contextmanager
def _second_api(scene: Scene) -> Iterator[None]:
    """Runs another instance of the API on the same port, and ends it in good order."""
    log = scene.stack.folder / "log" / "web-2.log"
    env = {**scene.stack.env, "PROMETHEUS_MULTIPROC_DIR": str(scene.stack.folder / "metrics-2")}
    with log.open("wb") as output:
        process = spawn([sys.executable, "-m", "ops", "web"], env=env, output=output, directory=scene.stack.directory)
    try:
        wait_for(partial(_has_served, scene, log, 0), 90, "the second API to answer")
        yield
    finally:
        stop(process, grace_seconds=30)


def _has_served(scene: Scene, log: Path, start: int) -> bool:
    """Sends a request, which the kernel gives to either instance; whether this log, from a position on, has it."""
    with scene.stack.client() as client:
        client.get("/predictions/nobody")
    return b"GET /predictions/" in log.read_bytes()[start:]


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


FAULTS = (
    Fault(
        "rolling-restart",
        "every process is replaced under load and no request fails",
        roll,
        recovery_seconds=None,
        # The kernel gives connections to a new instance from the moment it listens, seconds before it serves.
        hung_seconds=30.0,
    ),
)
