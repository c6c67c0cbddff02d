"""`python -m ops flower`: becomes Flower, the view of workers and tasks, behind its password."""

import os
import sys

import click

from ops.errors import StackError
from ops.processes.ports import check_port
from ops.stack.addresses import REDIS, join_process
from settings import Settings, load_settings


@click.command()
def command() -> None:
    """Run Flower on FLOWER_HOST:FLOWER_PORT; without a password it refuses to start."""
    join_process(REDIS)
    settings = load_settings()
    check_port(settings.flower_port, settings.flower_host, setting="FLOWER_PORT")
    environment = os.environ | flower_environment(settings)
    arguments = [sys.executable, "-m", "celery", "-A", "workers.flower:app", "flower"]
    os.execve(sys.executable, arguments, environment)  # noqa: S606 - no shell


def flower_environment(settings: Settings) -> dict[str, str]:
    """Returns Flower's options as its environment, where the password is not visible in the process list.

    Raises:
        ops.errors.StackError: no password is set.
    """
    if settings.flower_password is None:
        raise StackError(
            "Flower shows every task and may not run without FLOWER_PASSWORD; "
            "`python -m ops keys` makes one for development, with --production one for production."
        )
    return {
        "FLOWER_BASIC_AUTH": f"{settings.flower_user}:{settings.flower_password.get_secret_value()}",
        "FLOWER_ADDRESS": settings.flower_host,
        "FLOWER_PORT": str(settings.flower_port),
        "FLOWER_MAX_TASKS": str(settings.flower_max_tasks),
        # Workers that were replaced go from the list after an hour.
        "FLOWER_PURGE_OFFLINE_WORKERS": "3600",
        # Workers send events from their start; asked every few seconds to begin, they would refuse and count an attack.
        "FLOWER_ENABLE_EVENTS": "False",
    }
