"""Further APIs and scoring workers beside a stack, with a queue of their own and any feature store."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from ops.commands.processes.worker import worker_arguments
from ops.processes.health import answers_ok
from ops.processes.ports import LOOPBACK, free_port
from ops.proving.bench.latency.changed_settings import platform_roots
from ops.proving.bench.latency.paths import Contender
from ops.proving.bench.platform.own_stack import OwnStack
from ops.proving.bench.platform.running_process import running_process
from ops.proving.bench.platform.waiting import wait_until_delivered

_FIRST_WORKER_NUMBER = 200  # no name of the stack's own
_SHARED = frozenset({"valkey", "explain", "publish", "labels"})


def database(stack: OwnStack, number: int) -> str:
    """Returns the URL of another database on the stack's Redis."""
    return stack.state.env["REDIS_URL"].rsplit("/", 1)[0] + f"/{number}"


@contextmanager
def beside(
    stack: OwnStack, name: str, *, queue_database: int, features: str, score_workers: int = 1, web_processes: int = 1
) -> Iterator[Contender]:
    """Runs an API and scoring workers for the length of a block; records, outbox and drains are the stack's.

    Args:
        stack: what they belong to.
        name: of the path.
        queue_database: the Redis database of their queue, which no others use.
        features: URL of their feature store.
        score_workers: how many.
        web_processes: likewise.
    """
    env = {**stack.state.env, **stack.env, "BROKER_URL": database(stack, queue_database), "FEATURE_REDIS_URL": features}
    logs = stack.folder / "log"
    roots = {item: pid for item, pid in platform_roots(stack.state).items() if item in _SHARED}
    with ExitStack() as started:
        for number in range(score_workers):
            port = free_port()
            worker = _FIRST_WORKER_NUMBER + 10 * queue_database + number
            roots[f"score-{number + 1}"] = started.enter_context(
                running_process(
                    [sys.executable, *worker_arguments("score", worker)],
                    {**env, "METRICS_PORT": str(port)},
                    logs / f"{name}-score-{number + 1}.log",
                    partial(answers_ok, port, "/health/ready"),
                )
            )
        port = free_port()
        own = {
            "WEB_PORT": str(port),
            "WEB_PROCESSES": str(web_processes),
            "PROMETHEUS_MULTIPROC_DIR": str(stack.folder / f"metrics-{name}"),
        }
        roots["web"] = started.enter_context(
            running_process(
                [sys.executable, "-m", "ops", "web"],
                {**env, **own},
                logs / f"{name}-web.log",
                partial(answers_ok, port, "/health/ready"),
            )
        )
        yield Contender(name, LOOPBACK, port, roots, partial(wait_until_delivered, stack.state))
