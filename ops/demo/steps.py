"""The demo's steps as the commands a user would type, each shown before it runs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from ops.errors import OpsError, ServerStartError
from ops.processes.ports import last_line
from ops.processes.spawn import spawn, stop
from ops.progress import ProgressLine
from ops.stack import state

_START_SECONDS = 180.0
_STOP_SECONDS = 75.0
_POLL_SECONDS = 0.1


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
    """Starts a stack of its own for the length of a block; it cannot outlive this process.

    Raises:
        ops.errors.OpsError: the stack did not start; the message is its last line.
    """
    log = var_dir / "log" / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        supervisor = spawn(
            [sys.executable, "-m", "ops", "up", "--quiet"],
            env=os.environ | dict(env) | {"VAR_DIR": str(var_dir)},
            output=output,
        )
    try:
        yield _wait_until_running(supervisor, var_dir, log)
    finally:
        stop(supervisor, grace_seconds=_STOP_SECONDS)


def _wait_until_running(supervisor: subprocess.Popen[bytes], var_dir: Path, log: Path) -> state.StackState:
    progress = ProgressLine()
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise ServerStartError(last_line(log))
        stack = state.read(var_dir)
        if stack is not None:
            ready = [process.name for process in stack.processes if process.state == "running"]
            progress.show(f"{len(ready)} of {len(stack.processes)} processes are ready: {', '.join(ready)}")
            if stack.phase == "running":
                progress.finish()
                return stack
        time.sleep(_POLL_SECONDS)
    raise ServerStartError(f"The stack did not start within {_START_SECONDS:.0f} s; {log} tells more.")
