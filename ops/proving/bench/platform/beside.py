"""Further APIs and scoring workers beside a stack, each for the length of a block.

They share what the stack's environment leads to: its Redis, and so its features, and its drains.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ops.processes.health import answers_ok
from ops.processes.ports import free_port
from ops.processes.worker_command import worker_arguments
from ops.proving.bench.platform.running_process import running_process

_READY = "/health/ready"


@contextmanager
def running_api(env: Mapping[str, str], *, name: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Runs an API on a free port and yields its pid and port.

    Args:
        env: added to this process's own environment.
        name: of the path, and so of its log.
        folder: where the stack writes.
    """
    port = free_port()
    own = {**env, "WEB_PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(folder / f"metrics-{name}")}
    command, log = [sys.executable, "-m", "ops", "web"], folder / "log" / f"{name.replace('_', '-')}-web.log"
    with running_process(command, own, log, partial(answers_ok, port, _READY)) as pid:
        yield pid, port


@contextmanager
def running_score_worker(env: Mapping[str, str], *, number: int, log: Path) -> Iterator[int]:
    """Runs a scoring worker and yields its pid.

    Args:
        env: added to this process's own environment.
        number: of the worker; the stack's own begin with 1.
        log: where its output goes.
    """
    port = free_port()
    command = [sys.executable, *worker_arguments("score", number)]
    own = {**env, "METRICS_PORT": str(port)}
    with running_process(command, own, log, partial(answers_ok, port, _READY)) as pid:
        yield pid
