"""The demo's steps as the commands a user would type, each shown before it runs."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from ops.errors import OpsError
from ops.stack import state
from ops.stack.child import child_stack
from ops.terminal.progress import ProgressLine


def say(title: str) -> None:
    """Prints the title of a step."""
    click.echo(click.style(f"\n● {title}", bold=True))


def run_command(arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Runs `python -m ops …` with this terminal as its own.

    Raises:
        ops.errors.OpsError: it failed; it has said why.
    """
    shown = " ".join(arguments)
    click.echo(click.style(f"  python -m ops {shown}", dim=True))
    finished = subprocess.run([sys.executable, "-m", "ops", *arguments], env=os.environ | dict(env), check=False)
    if finished.returncode:
        raise OpsError(f"`python -m ops {arguments[0]}` failed with code {finished.returncode}.")


@contextmanager
def running_stack(var_dir: Path, env: Mapping[str, str]) -> Iterator[state.StackState]:
    """Starts a stack of its own for the length of a block, and shows how far it is.

    Raises:
        ops.errors.OpsError: the stack did not start; the message is its last line.
    """
    progress = ProgressLine()

    def show(ready: Sequence[str], total: int) -> None:
        progress.show(f"{len(ready)} of {total} processes are ready: {', '.join(ready)}")

    with child_stack(var_dir, env=os.environ | dict(env), on_ready=show) as stack:
        progress.finish()
        yield stack
