"""Brings every path up on this machine: the stack, and the peers on a Redis of their own."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from redis import Redis

from ml.stores.keys_redis import OUTBOX
from ops.bench.latency.contenders import CELERY_DEFAULT, FASTAPI_TWO_HOP, IN_PROCESS, SHRIKE, Contender
from ops.bench.latency.requests import SUBJECT
from ops.demo.steps import run_command
from ops.embedded import valkey
from ops.errors import OpsError
from ops.processes.ports import LOOPBACK, free_port, wait_until
from ops.processes.spawn import spawn, stop
from ops.progress import ProgressLine
from ops.stack.child import child_stack
from ops.stack.health import answers_ok
from ops.stack.state import StackState
from settings import Settings
from tasks.queues import CONSUMER_GROUPS, outbox_lags
from tasks.wiring import connect_redis, outbox

PEERS = "tests.benchmarks.peers"
_UNLIMITED = 10**9
_SETTLE_SECONDS = 180.0
_START_SECONDS = 60.0
_DRAINS = ("explain", "publish", "labels")


def environment(models: Path) -> dict[str, str]:
    """Returns what every process of the benchmark is told.

    Buckets are asked as always and never empty; the deadline is long enough that saturation shows as latency.
    """
    return {
        "MODEL_DIR": str(models.absolute()),
        "RATE_LIMIT_OVERRIDES": json.dumps({SUBJECT: [_UNLIMITED, _UNLIMITED]}),
        "DEVICE_RATE_LIMIT_CAPACITY": str(_UNLIMITED),
        "DEVICE_RATE_LIMIT_REFILL_PER_MINUTE": str(_UNLIMITED),
        "SCORE_TIMEOUT_MS": "5000",
        "WEB_PORT": "0",
        "FLOWER_PORT": "0",
    }


@contextmanager
def running(
    names: Sequence[str], settings: Settings, *, folder: Path, history: Path, until: str, score_workers: int = 1
) -> Iterator[list[Contender]]:
    """Starts the named paths for the length of a block.

    Args:
        names: which, in the order in which they are returned.
        settings: keys and model folder.
        folder: where everything is written.
        history: transactions that the feature stores are filled from.
        until: where the history ends, a UTC time.
        score_workers: scoring workers of the stack.

    Raises:
        OpsError: something did not start; the message says what.
    """
    env = environment(settings.models_path)
    with ExitStack() as started:
        stack = started.enter_context(_stack(folder, env, score_workers))
        run_command(["backfill", "--data", str(history), "--until", until], stack.env)
        contenders: dict[str, Contender] = {SHRIKE: _platform(stack)}
        if IN_PROCESS in names:
            contenders[IN_PROCESS] = started.enter_context(_in_process(stack, env, folder))
        if FASTAPI_TWO_HOP in names or CELERY_DEFAULT in names:
            port, server = free_port(), folder / "data" / "peers"
            server.mkdir(parents=True, exist_ok=True)
            redis_pid = started.enter_context(
                _process(
                    valkey.command(server, port),
                    {},
                    folder / "log" / "peers-valkey.log",
                    partial(valkey.is_healthy, port),
                )
            )
            # Nobody drains the peers' outbox: what they leave there is cut off after each round.
            peers_env = env | {"REDIS_URL": valkey.url(port), "OUTBOX_LIMIT": str(_UNLIMITED)}
            run_command(["backfill", "--data", str(history), "--until", until], peers_env)
            if FASTAPI_TWO_HOP in names:
                contenders[FASTAPI_TWO_HOP] = started.enter_context(_two_hop(peers_env, folder, redis_pid))
            if CELERY_DEFAULT in names:
                contenders[CELERY_DEFAULT] = started.enter_context(_celery_default(peers_env, folder, redis_pid))
        yield [contenders[name] for name in names]


@contextmanager
def _stack(folder: Path, env: Mapping[str, str], score_workers: int) -> Iterator[StackState]:
    progress = ProgressLine()
    with child_stack(
        folder,
        env=os.environ | dict(env),
        on_ready=lambda ready, total: progress.show(f"{len(ready)} of {total} processes are ready"),
        options=("--score-workers", str(score_workers)),
    ) as stack:
        progress.finish()
        yield stack


def _platform(stack: StackState) -> Contender:
    """Returns the stack as a path: all of its own processes, the Redis, but not the stand-ins for MongoDB and Kafka."""
    roots = {
        item.name: item.pid for item in stack.processes if item.pid is not None and item.name not in {"mongo", "kafka"}
    }
    return Contender(SHRIKE, LOOPBACK, int(stack.env["WEB_PORT"]), roots, partial(_wait_until_delivered, stack))


@contextmanager
def _in_process(stack: StackState, env: Mapping[str, str], folder: Path) -> Iterator[Contender]:
    port = free_port()
    own = dict(stack.env) | dict(env) | {"WEB_PORT": str(port), "USE_LOCAL_INFERENCE": "true"}
    own["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "metrics-in-process")
    command = [sys.executable, "-m", "ops", "web"]
    log = folder / "log" / "in-process.log"
    with _process(command, own, log, partial(answers_ok, port, "/health/live")) as pid:
        shared = {item.name: item.pid for item in stack.processes if item.pid and item.name in {"valkey", *_DRAINS}}
        yield Contender(IN_PROCESS, LOOPBACK, port, {"web": pid} | shared, partial(_wait_until_delivered, stack))


@contextmanager
def _two_hop(env: Mapping[str, str], folder: Path, redis_pid: int) -> Iterator[Contender]:
    scorer, gateway = free_port(), free_port()
    own = dict(env) | {"PEER_SCORER_URL": f"http://{LOOPBACK}:{scorer}"}
    with ExitStack() as started:
        pids = {"valkey": redis_pid}
        for name, port in (("scorer", scorer), ("gateway", gateway)):
            command = [
                *(sys.executable, "-m", "uvicorn", f"{PEERS}.fastapi_{name}:app", "--port", str(port)),
                *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
            ]
            log = folder / "log" / f"fastapi-{name}.log"
            pids[name] = started.enter_context(_process(command, own, log, partial(answers_ok, port, "/health/live")))
        yield Contender(FASTAPI_TWO_HOP, LOOPBACK, gateway, pids, partial(_cut_outbox, env["REDIS_URL"]))


@contextmanager
def _celery_default(env: Mapping[str, str], folder: Path, redis_pid: int) -> Iterator[Contender]:
    port = free_port()
    # A database of its own: the queue `celery` and the results stay apart from the features.
    own = dict(env) | {"PEER_BROKER_URL": env["REDIS_URL"].removesuffix("/0") + "/1"}
    module = f"{PEERS}.celery_default"
    worker = [sys.executable, "-m", "celery", "-A", module, "worker", "--loglevel", "WARNING"]
    web = [
        *(sys.executable, "-m", "gunicorn", f"{module}:web", "--bind", f"{LOOPBACK}:{port}"),
        *("--worker-class", "gthread", "--threads", "64", "--log-level", "warning"),
    ]
    logs = folder / "log"
    is_up = partial(answers_ok, port, "/health/live")
    with (
        _process(worker, own, logs / "celery-default-worker.log", lambda: True) as worker_pid,
        _process(web, own, logs / "celery-default-web.log", is_up) as web_pid,
    ):
        roots = {"valkey": redis_pid, "worker": worker_pid, "web": web_pid}
        yield Contender(CELERY_DEFAULT, LOOPBACK, port, roots, partial(_wait_until_idle, own, env["REDIS_URL"]))


@contextmanager
def _process(
    command: Sequence[str], env: Mapping[str, str], log: Path, is_healthy: Callable[[], bool]
) -> Iterator[int]:
    """Runs a process for the length of a block and yields its pid once it is healthy."""
    with log.open("wb") as output:
        process = spawn(command, env=os.environ | dict(env), output=output)
    try:
        wait_until(is_healthy, process, name=log.stem, log=log, timeout_seconds=_START_SECONDS)
        yield process.pid
    finally:
        stop(process)


def _wait_until_delivered(stack: StackState) -> None:
    """Waits until the drains owe nothing to MongoDB and Kafka.

    Raises:
        OpsError: they did not get there in time.
    """
    settings = Settings(redis_url=stack.env["REDIS_URL"])
    with connect_redis(settings) as client:
        outboxes = {group: outbox(settings, group, consumer="bench", client=client) for group in CONSUMER_GROUPS}
        _poll(lambda: all(lag.entries == 0 for lag in outbox_lags(outboxes).values()), "the outbox is not empty")


def _cut_outbox(url: str) -> None:
    with Redis.from_url(url) as client:
        client.xtrim(OUTBOX, maxlen=0, approximate=False)


def _wait_until_idle(env: Mapping[str, str], url: str) -> None:
    """Waits until the worker has worked off what a round left in its queue."""
    with Redis.from_url(env["PEER_BROKER_URL"]) as client:
        _poll(lambda: not client.llen("celery") and not client.hlen("unacked"), "the queue is not empty")
    _cut_outbox(url)


def _poll(is_done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise OpsError(f"After {_SETTLE_SECONDS:.0f} s {problem}.")
        time.sleep(0.05)
