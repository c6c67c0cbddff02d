"""`python -m ops web`: becomes gunicorn with the API."""

import os
import sys
from pathlib import Path

import click

from ops.processes.ports import check_port
from ops.stack.addresses import MONGO, REDIS, join_process
from ops.startup.preflight import check_web

_CONFIGURATION = Path(__file__).parents[3] / "web" / "server" / "gunicorn_conf.py"
_PATIENCE_SECONDS = 3.0
"""The predecessor of a restart may still be ending."""


@click.command()
def command() -> None:
    """Run the API on WEB_HOST:WEB_PORT with WEB_PROCESSES processes."""
    join_process(REDIS, MONGO)
    settings = check_web()
    if not settings.web_reuse_port:
        check_port(settings.web_port, settings.web_host, setting="WEB_PORT", patience_seconds=_PATIENCE_SECONDS)
    arguments = [sys.executable, "-m", "gunicorn", "--config", str(_CONFIGURATION)]
    os.execv(sys.executable, arguments)  # noqa: S606 - no shell
