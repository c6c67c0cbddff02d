"""Brings every path up on this machine: the stack, and the peers on a Redis of their own."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from ops.embedded import valkey
from ops.processes.health import answers_ok
from ops.processes.ports import LOOPBACK, free_port
from ops.proving.bench.latency.changed_settings import batch_size, in_process, perf_mode, platform_roots
from ops.proving.bench.latency.paths import CELERY_DEFAULT, FASTAPI_TWO_HOP, IN_PROCESS, PERF_MODE, SHRIKE, Contender
from ops.proving.bench.load.requests import SUBJECT
from ops.proving.bench.platform.running_process import running_process
from ops.proving.bench.platform.waiting import cut_outbox, wait_until_delivered, wait_until_idle
from ops.stack.child import child_stack
from ops.stack.state import StackState
from ops.terminal.progress import ProgressLine
from ops.terminal.steps import run_command
from settings import Settings

PEERS = "tests.benchmarks.peers"
_UNLIMITED = 10**9


def environment(models: Path) -> dict[str, str]:
    """Returns what every process of the benchmark is told, unless its path is there to show the other choice.

    Buckets are asked as always and never empty; the deadline is long enough that saturation shows as latency.
    """
    return {
        "MODEL_DIR": str(models.absolute()),
        "RATE_LIMIT_OVERRIDES": json.dumps({SUBJECT: [_UNLIMITED, _UNLIMITED]}),
        "DEVICE_RATE_LIMIT_CAPACITY": str(_UNLIMITED),
        "DEVICE_RATE_LIMIT_REFILL_PER_MINUTE": str(_UNLIMITED),
        "SCORE_TIMEOUT_MS": "5000",
        "USE_LOCAL_INFERENCE": "false",
        "PERF_MODE": "false",
        "WEB_PORT": "0",
        "FLOWER_PORT": "0",
    }


@contextmanager
def running(
    names: Sequence[str],
    settings: Settings,
    *,
    folder: Path,
    history: Path,
    until: str,
    score_workers: int = 1,
    batch_sizes: Sequence[int] = (),
) -> Iterator[list[Contender]]:
    """Starts the named paths for the length of a block.

    Args:
        names: which, in the order in which they are returned.
        settings: keys and model folder.
        folder: where everything is written.
        history: transactions that the feature stores are filled from.
        until: where the history ends, a UTC time.
        score_workers: scoring workers of the stack.
        batch_sizes: further values of INFER_BATCH_SIZE, each a path after the named ones.

    Raises:
        OpsError: something did not start; the message says what.
    """
    env = environment(settings.models_path)
    with ExitStack() as started:
        stack = started.enter_context(_stack(folder, env, score_workers))
        run_command(["backfill", "--data", str(history), "--until", until], stack.env)
        contenders: dict[str, Contender] = {SHRIKE: platform(stack)}
        if IN_PROCESS in names:
            contenders[IN_PROCESS] = started.enter_context(in_process(stack, env, folder))
        if PERF_MODE in names:
            contenders[PERF_MODE] = started.enter_context(perf_mode(stack, env, folder))
        sized = [started.enter_context(batch_size(stack, env, folder, size=size)) for size in batch_sizes]
        if FASTAPI_TWO_HOP in names or CELERY_DEFAULT in names:
            port, server = free_port(), folder / "data" / "peers"
            server.mkdir(parents=True, exist_ok=True)
            redis_pid = started.enter_context(
                running_process(
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
        yield [*(contenders[name] for name in names), *sized]


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


def platform(stack: StackState) -> Contender:
    """Returns the stack's own API and workers."""
    port = int(stack.env["WEB_PORT"])
    return Contender(SHRIKE, LOOPBACK, port, platform_roots(stack), partial(wait_until_delivered, stack))


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
            pids[name] = started.enter_context(
                running_process(command, own, log, partial(answers_ok, port, "/health/live"))
            )
        yield Contender(FASTAPI_TWO_HOP, LOOPBACK, gateway, pids, partial(cut_outbox, env["REDIS_URL"]))


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
        running_process(worker, own, logs / "celery-default-worker.log", lambda: True) as worker_pid,
        running_process(web, own, logs / "celery-default-web.log", is_up) as web_pid,
    ):
        roots = {"valkey": redis_pid, "worker": worker_pid, "web": web_pid}
        yield Contender(CELERY_DEFAULT, LOOPBACK, port, roots, partial(wait_until_idle, own, env["REDIS_URL"]))
