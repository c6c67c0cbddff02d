"""Steps of a command that runs others: a title each, and the commands as a user would type them."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import click

from ops.errors import OpsError


def say(title: str) -> None:
    """Prints the title of a step."""
    click.echo(click.style(f"\n● {title}", bold=True))


def run_command(arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Runs `python -m ops …` with this terminal as its own.

    Raises:
        ops.errors.OpsError: it failed, and has printed why.
    """
    shown = " ".join(arguments)
    click.echo(click.style(f"  python -m ops {shown}", dim=True))
    finished = subprocess.run([sys.executable, "-m", "ops", *arguments], env=os.environ | dict(env), check=False)
    if finished.returncode:
        raise OpsError(f"`python -m ops {arguments[0]}` failed with code {finished.returncode}.")
