"""From exec to ready: how long a process takes until it is ready for work."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ops.processes.health import answers_ok
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop

_POLL_SECONDS = 0.01
_LONGEST_SECONDS = 60.0


def time_start(command: Sequence[str], env: Mapping[str, str], log: Path, is_ready: Callable[[], bool]) -> float:
    """Returns the seconds from the start of a command until it is ready; the process is stopped afterwards.

    Raises:
        TimeoutError: it was not ready in time.
    """
    with log.open("wb") as output:
        started = time.monotonic()
        process = spawn(command, env=os.environ | dict(env), output=output)
        try:
            while not is_ready():
                if process.poll() is not None or time.monotonic() - started > _LONGEST_SECONDS:
                    raise TimeoutError(f"{' '.join(command[-3:])} did not become ready, see {log}")
                time.sleep(_POLL_SECONDS)
            return time.monotonic() - started
        finally:
            stop(process)


def time_score_worker(env: Mapping[str, str], log: Path) -> float:
    """Returns how long a scoring worker takes to consume, its model verified, loaded and warm."""
    port = free_port()
    command = [sys.executable, "-m", "ops", "worker", "score", "--number", "77"]
    own = {**env, "METRICS_PORT": str(port)}
    return time_start(command, own, log, partial(answers_ok, port, "/health/ready"))


def time_web(env: Mapping[str, str], log: Path) -> float:
    """Returns how long the API takes to be ready; a scoring worker must run."""
    port = free_port()
    own = {**env, "WEB_PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(log.parent / f"metrics-{port}")}
    command = [sys.executable, "-m", "ops", "web"]
    return time_start(command, own, log, partial(answers_ok, port, "/health/ready"))
