"""A supervisor in a process of its own: its log file, and the wait until the stack it runs is ready."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ops.errors import ServerStartError
from ops.processes.ports import last_line
from ops.stack import state
from ops.stack.log_file import LogLimits, rotate

STOP_SECONDS = 75.0
"""How long a supervisor may take to stop everything in order."""
_START_SECONDS = 3600.0
"""A start that makes no progress is ended by the supervisor itself; this bounds the wait for a stuck supervisor."""
_POLL_SECONDS = 0.1
_NAMED = 3
"""Of the processes that are not ready, so many are named, so that the line fits a terminal."""

OnReady = Callable[[Sequence[str], Sequence[str]], None]
"""Called with the names of the ready processes, and of those that are not ready yet, in the order of their start."""


def own_log(var_dir: Path) -> Path:
    """Returns the file that a supervisor in the background writes to."""
    return var_dir / "log" / "stack.log"


@contextmanager
def opened_log(log: Path, limits: LogLimits) -> Iterator[IO[bytes]]:
    """Opens a new log file for a supervisor; the last run's is kept beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log, limits.older_files)
    # Appended to, because the supervisor empties the file when it has grown.
    with log.open("ab") as output:
        yield output


def wait_until_running(supervisor: subprocess.Popen[bytes], var_dir: Path, *, on_ready: OnReady) -> state.StackState:
    """Returns the state of the stack that this supervisor runs, once it is ready.

    Raises:
        ops.errors.ServerStartError: it ended; the message is its last line.
    """
    log = own_log(var_dir)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise ServerStartError(last_line(log))
        stack = state.read(var_dir)
        if stack is not None and stack.supervisor_pid == supervisor.pid:
            if stack.processes:
                _report(stack, on_ready)
            if stack.phase == "running":
                return stack
        time.sleep(_POLL_SECONDS)
    raise ServerStartError(f"The stack did not start within {_START_SECONDS:.0f} s; {log} says more.")


def readiness(ready: Sequence[str], awaited: Sequence[str]) -> str:
    """Returns how many processes are ready, and which ones are not.

    >>> readiness(["redis"], ["mongo", "web-1"])
    '1 of 3 processes are ready, waiting for mongo, web-1'
    """
    text = f"{len(ready)} of {len(ready) + len(awaited)} processes are ready"
    more = ", …" if len(awaited) > _NAMED else ""
    return f"{text}, waiting for {', '.join(awaited[:_NAMED])}{more}" if awaited else text


def _report(stack: state.StackState, on_ready: OnReady) -> None:
    ready = [process.name for process in stack.processes if process.state == "running"]
    on_ready(ready, [process.name for process in stack.processes if process.state != "running"])
