"""`python -m ops down`: stops the stack that runs in the background or in another terminal."""

import click

from ops.stack.detached import stop_running
from settings import load_settings


@click.command()
def command() -> None:
    """Stop the stack: the API first, so that accepted requests are answered, then workers, then servers."""
    click.echo("The stack is stopped." if stop_running(load_settings()) else "No stack runs.")
