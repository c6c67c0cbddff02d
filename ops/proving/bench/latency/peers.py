"""The two usual ways to build it, as processes on a Redis of their own: FastAPI behind FastAPI, and default Celery.

Their code is in `tests/benchmarks/peers`, their packages in `requirements/bench.txt`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from redis import Redis

from ml.stores.outbox.keys_redis import OUTBOX
from ops.embedded import valkey
from ops.errors import OpsError
from ops.processes.health import answers_ok
from ops.processes.ports import LOOPBACK, free_port
from ops.proving.bench.latency.paths import CELERY_DEFAULT, FASTAPI_TWO_HOP
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.platform.own_stack import UNLIMITED, OwnStack
from ops.proving.bench.platform.running_process import running_process
from ops.proving.bench.platform.waiting import poll_until

PEERS = "tests.benchmarks.peers"
PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "aiohttp")


@dataclass(frozen=True, slots=True)
class PeersRedis:
    """The Redis that the peers share, filled with the same features; `env` leads to it."""

    env: Mapping[str, str]
    pid: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.env["REDIS_URL"]

    def cut_outbox(self) -> None:
        """Deletes the outbox, which nothing drains here."""
        with Redis.from_url(self.url) as client:
            client.xtrim(OUTBOX, maxlen=0, approximate=False)


def require_packages() -> None:
    """Checks that the packages of the FastAPI peer are installed.

    Raises:
        OpsError: one is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise OpsError(f"The path {FASTAPI_TWO_HOP} needs {', '.join(missing)}: run `make bench-install`.")


@contextmanager
def peers_redis(stack: OwnStack) -> Iterator[PeersRedis]:
    """Runs a Redis for the peers, with the features that the stack has."""
    port, directory = free_port(), stack.folder / "data" / "peers"
    directory.mkdir(parents=True, exist_ok=True)
    log = stack.folder / "log" / "peers-valkey.log"
    with running_process(valkey.command(directory, port), {}, log, partial(valkey.is_healthy, port)) as pid:
        env = {**stack.env, "REDIS_URL": valkey.url(port), "OUTBOX_LIMIT": str(UNLIMITED)}
        stack.backfill(env)
        yield PeersRedis(env, pid)


@contextmanager
def fastapi_two_hop(stack: OwnStack, redis: PeersRedis) -> Iterator[Contender]:
    """Runs a FastAPI gateway in front of a FastAPI scorer."""
    scorer, gateway = free_port(), free_port()
    env = {**redis.env, "PEER_SCORER_URL": f"http://{LOOPBACK}:{scorer}"}
    with ExitStack() as started:
        pids = {"valkey": redis.pid}
        for name, port in (("scorer", scorer), ("gateway", gateway)):
            command = [
                *(sys.executable, "-m", "uvicorn", f"{PEERS}.fastapi_{name}:app", "--port", str(port)),
                *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
            ]
            log = stack.folder / "log" / f"fastapi-{name}.log"
            pids[name] = started.enter_context(running_process(command, env, log, _is_live(port)))
        yield Contender(FASTAPI_TWO_HOP, LOOPBACK, gateway, pids, redis.cut_outbox)


@contextmanager
def celery_default(stack: OwnStack, redis: PeersRedis) -> Iterator[Contender]:
    """Runs Flask and a Celery worker with their defaults."""
    port, logs, module = free_port(), stack.folder / "log", f"{PEERS}.celery_default"
    # A database of its own: the queue `celery` and the results stay apart from the features.
    broker = redis.url.removesuffix("/0") + "/1"
    env = {**redis.env, "PEER_BROKER_URL": broker}
    worker = [sys.executable, "-m", "celery", "-A", module, "worker", "--loglevel", "WARNING"]
    web = [
        *(sys.executable, "-m", "gunicorn", f"{module}:web", "--bind", f"{LOOPBACK}:{port}"),
        *("--worker-class", "gthread", "--threads", "64", "--log-level", "warning"),
    ]
    with (
        running_process(worker, env, logs / "celery-default-worker.log", lambda: True) as worker_pid,
        running_process(web, env, logs / "celery-default-web.log", _is_live(port)) as web_pid,
    ):
        roots = {"valkey": redis.pid, "worker": worker_pid, "web": web_pid}
        yield Contender(CELERY_DEFAULT, LOOPBACK, port, roots, partial(_wait_until_idle, redis, broker))


def _is_live(port: int) -> Callable[[], bool]:
    return partial(answers_ok, port, "/health/live")


def _wait_until_idle(redis: PeersRedis, broker: str) -> None:
    """Waits until the default Celery worker has done what a round left in its queue.

    Raises:
        OpsError: it has not in time.
    """
    with Redis.from_url(broker) as client:
        poll_until(lambda: not client.llen("celery") and not client.hlen("unacked"), "the queue is not empty")
    redis.cut_outbox()
