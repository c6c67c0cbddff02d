"""The platform with one setting changed, each on web processes of its own beside the same stack.

They share the stack's Redis, and so its features, and its drains; everything else is the very same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.processes.ports import LOOPBACK
from ops.proving.bench.latency.paths import IN_PROCESS, PERF_MODE, batch_size_name
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.platform.beside import running_api, running_score_worker
from ops.proving.bench.platform.own_stack import OwnStack

_SHARED = frozenset({"valkey", "explain", "publish", "labels"})
_PERF_BROKER_DATABASE = 3  # apart from the stack's queue `score`, whose workers record
_PERF_WORKER_NUMBER = 99  # no name of the stack's own


@contextmanager
def in_process(stack: OwnStack) -> Iterator[Contender]:
    """Runs the API that scores by itself (USE_LOCAL_INFERENCE): no queue and no scoring worker."""
    env = {**stack.process_env, "USE_LOCAL_INFERENCE": "true"}
    with running_api(env, name=IN_PROCESS, folder=stack.folder) as (pid, port):
        shared = {name: root for name, root in stack.roots.items() if name in _SHARED}
        yield stack.contender(IN_PROCESS, port=port, roots={"web": pid} | shared)


@contextmanager
def perf_mode(stack: OwnStack) -> Iterator[Contender]:
    """Runs an API and one scoring worker that keep nothing but features (PERF_MODE), with a queue of their own."""
    broker = stack.state.env["REDIS_URL"].rsplit("/", 1)[0] + f"/{_PERF_BROKER_DATABASE}"
    env = {**stack.process_env, "PERF_MODE": "true", "BROKER_URL": broker}
    log = stack.folder / "log" / "perf-mode-score.log"
    with (
        running_score_worker(env, number=_PERF_WORKER_NUMBER, log=log) as worker_pid,
        running_api(env, name=PERF_MODE, folder=stack.folder) as (web_pid, port),
    ):
        roots = {"web": web_pid, "score": worker_pid, "valkey": stack.roots["valkey"]}
        yield Contender(PERF_MODE, LOOPBACK, port, roots)


@contextmanager
def batch_size(stack: OwnStack, size: int) -> Iterator[Contender]:
    """Runs an API with another INFER_BATCH_SIZE in front of the stack's scoring workers."""
    name = batch_size_name(size)
    env = {**stack.process_env, "INFER_BATCH_SIZE": str(size)}
    with running_api(env, name=name, folder=stack.folder) as (pid, port):
        yield stack.contender(name, port=port, roots=stack.roots | {"web": pid})
