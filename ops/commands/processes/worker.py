"""`python -m ops worker`: becomes one Celery worker of one queue."""

import os
import sys

import click

from ops.startup.preflight import check_worker
from settings.queues import QUEUES


@click.command()
@click.argument("queue", type=click.Choice(QUEUES))
@click.option("--number", type=click.IntRange(1), default=1, show_default=True, help="Tells workers of one host apart.")
def command(queue: str, number: int) -> None:
    """Run a worker that consumes QUEUE and nothing else."""
    settings = check_worker(queue)
    os.execv(sys.executable, [sys.executable, *worker_arguments(queue, number, shard=settings.shard)])  # noqa: S606 - no shell


def worker_arguments(queue: str, number: int, *, shard: str | None = None) -> list[str]:
    """Returns the interpreter's arguments for a worker.

    The solo pool runs tasks in the worker itself: no second process between the queue and the model. Gossip and
    mingle are chatter between workers that nobody here listens to; task events and heartbeats stay on for Flower.
    """
    name = f"{queue}-{number}" if shard is None else f"{queue}-{shard}-{number}"
    return [
        *("-m", "celery", "-A", f"workers.{queue}", "worker"),
        *("-Q", queue, "-n", f"{name}@%h", "-P", "solo", "-E"),
        *("--without-gossip", "--without-mingle", "--heartbeat-interval", "5"),
    ]
