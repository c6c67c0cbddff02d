"""The platform with one setting changed, each on web processes of its own beside the same stack.

They share the stack's Redis, and so its features, and its drains; what a setting does not change is the very same.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ops.commands.processes.worker import worker_arguments
from ops.processes.health import answers_ok
from ops.processes.ports import LOOPBACK, free_port
from ops.proving.bench.latency.paths import IN_PROCESS, PERF_MODE, Contender, batch_size_name
from ops.proving.bench.platform.running_process import running_process
from ops.proving.bench.platform.waiting import wait_until_delivered
from ops.stack.state import StackState

_SERVERS_STOOD_IN_FOR = frozenset({"mongo", "kafka"})
_DRAINS = frozenset({"explain", "publish", "labels"})
_PERF_BROKER_DATABASE = 3  # apart from the stack's queue `score`, whose workers record
_PERF_WORKER_NUMBER = 99  # no name of the stack's own


def platform_roots(stack: StackState) -> dict[str, int]:
    """Returns the stack's processes by name, its Redis included, without the stand-ins for MongoDB and Kafka."""
    return {
        item.name: item.pid
        for item in stack.processes
        if item.pid is not None and item.name not in _SERVERS_STOOD_IN_FOR
    }


@contextmanager
def in_process(stack: StackState, env: Mapping[str, str], folder: Path) -> Iterator[Contender]:
    """Runs the API that scores by itself (USE_LOCAL_INFERENCE): no queue and no scoring worker."""
    with _web(stack, {**env, "USE_LOCAL_INFERENCE": "true"}, folder, IN_PROCESS) as (pid, port):
        shared = {name: root for name, root in platform_roots(stack).items() if name in {"valkey", *_DRAINS}}
        yield Contender(IN_PROCESS, LOOPBACK, port, {"web": pid} | shared, partial(wait_until_delivered, stack))


@contextmanager
def perf_mode(stack: StackState, env: Mapping[str, str], folder: Path) -> Iterator[Contender]:
    """Runs an API and one scoring worker that keep nothing but features (PERF_MODE), with a queue of their own."""
    broker = stack.env["REDIS_URL"].rsplit("/", 1)[0] + f"/{_PERF_BROKER_DATABASE}"
    metrics_port = free_port()
    own = {**env, "PERF_MODE": "true", "BROKER_URL": broker}
    worker = {**stack.env, **own, "METRICS_PORT": str(metrics_port)}
    command = [sys.executable, *worker_arguments("score", _PERF_WORKER_NUMBER)]
    is_ready = partial(answers_ok, metrics_port, "/health/ready")
    with (
        running_process(command, worker, folder / "log" / "perf-mode-score.log", is_ready) as worker_pid,
        _web(stack, own, folder, PERF_MODE) as (web_pid, port),
    ):
        roots = {"web": web_pid, "score": worker_pid, "valkey": platform_roots(stack)["valkey"]}
        yield Contender(PERF_MODE, LOOPBACK, port, roots)


@contextmanager
def batch_size(stack: StackState, env: Mapping[str, str], folder: Path, *, size: int) -> Iterator[Contender]:
    """Runs an API with another INFER_BATCH_SIZE in front of the stack's scoring workers."""
    name = batch_size_name(size)
    with _web(stack, {**env, "INFER_BATCH_SIZE": str(size)}, folder, name) as (pid, port):
        roots = platform_roots(stack) | {"web": pid}
        yield Contender(name, LOOPBACK, port, roots, partial(wait_until_delivered, stack))


@contextmanager
def _web(stack: StackState, env: Mapping[str, str], folder: Path, name: str) -> Iterator[tuple[int, int]]:
    """Runs an API beside the stack's own and yields its pid and port."""
    port = free_port()
    own = (
        dict(stack.env)
        | dict(env)
        | {"WEB_PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(folder / f"metrics-{name}")}
    )
    command = [sys.executable, "-m", "ops", "web"]
    is_ready = partial(answers_ok, port, "/health/ready")
    with running_process(command, own, folder / "log" / f"{name.replace('_', '-')}-web.log", is_ready) as pid:
        yield pid, port
