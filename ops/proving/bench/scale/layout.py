"""Layouts under test: APIs and scoring workers beside a stack, with a queue of their own and any feature store."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ops.proving.bench.load.contender import Contender
from ops.proving.bench.platform.beside import running_api, running_score_worker
from ops.proving.bench.platform.own_stack import OwnStack

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
    env = {**stack.process_env, "BROKER_URL": database(stack, queue_database), "FEATURE_REDIS_URL": features}
    roots = {item: pid for item, pid in stack.roots.items() if item in _SHARED}
    first = _FIRST_WORKER_NUMBER + 10 * queue_database
    with ExitStack() as started:
        for number in range(score_workers):
            worker = f"score-{number + 1}"
            log = stack.folder / "log" / f"{name}-{worker}.log"
            roots[worker] = started.enter_context(running_score_worker(env, number=first + number, log=log))
        web_env = {**env, "WEB_PROCESSES": str(web_processes)}
        roots["web"], port = started.enter_context(running_api(web_env, name=name, folder=stack.folder))
        yield stack.contender(name, port=port, roots=roots)
