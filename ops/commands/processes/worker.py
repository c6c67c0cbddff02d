"""`python -m ops worker`: becomes one Celery worker of one queue."""

import os
import sys

import click

from ops.processes.metrics_port import take_metrics_port
from ops.processes.worker_command import worker_arguments
from ops.stack.addresses import KAFKA, MONGO, REDIS, join_process
from ops.startup.preflight import check_worker
from settings.queues import QUEUES

_SINKS = {"explain": (MONGO,), "publish": (KAFKA,), "labels": (MONGO,), "retrain": (MONGO, KAFKA)}


@click.command()
@click.argument("queue", type=click.Choice(QUEUES))
@click.option(
    "--number", type=click.IntRange(1), default=1, show_default=True, help="Distinguishes workers of one host."
)
def command(queue: str, number: int) -> None:
    """Run a worker that consumes QUEUE and nothing else."""
    join_process(REDIS, *_SINKS.get(queue, ()))
    settings = check_worker(queue)
    take_metrics_port(settings, queue, number)
    os.execv(sys.executable, [sys.executable, *worker_arguments(queue, number, shard=settings.shard)])  # noqa: S606 - no shell
