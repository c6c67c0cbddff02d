"""`python -m ops web`: becomes gunicorn with the API."""

import os
import sys
from pathlib import Path

import click

from ops.startup.preflight import check_web

_CONFIGURATION = Path(__file__).parents[3] / "web" / "server" / "gunicorn_conf.py"


@click.command()
def command() -> None:
    """Run the API on WEB_HOST:WEB_PORT with WEB_PROCESSES processes."""
    check_web()
    arguments = [sys.executable, "-m", "gunicorn", "--config", str(_CONFIGURATION)]
    os.execv(sys.executable, arguments)  # noqa: S606 - no shell
