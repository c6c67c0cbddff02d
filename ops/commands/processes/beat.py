"""`python -m ops beat`: becomes the scheduler that sends the drains' doorbells and starts retraining."""

import os
import sys

import click

from ops.processes.metrics_port import take_metrics_port
from ops.stack.addresses import REDIS, join_process
from ops.startup.preflight import check_beat

_ARGUMENTS = (
    "-m",
    "celery",
    "-q",
    "-A",
    "workers.beat",
    "beat",
    "--scheduler",
    "workers.start.schedule:FixedScheduler",
)


@click.command()
@click.option("--number", type=click.IntRange(1), default=1, show_default=True, help="Distinguishes beats of one host.")
def command(number: int) -> None:
    """Run beat; of two, one is idle, as RedBeat keeps a lock in Redis."""
    join_process(REDIS)
    take_metrics_port(check_beat(), "beat", number)
    # The process id file would stop a second beat on the machine, and outlive a killed one; the lock does neither.
    os.execv(sys.executable, [sys.executable, *_ARGUMENTS, "--pidfile="])  # noqa: S606 - no shell
