"""A stack for the length of a block: it ends with the process that started it, whatever ends that one."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.errors import ServerStartError
from ops.processes.ports import last_line
from ops.processes.spawn import spawn, stop
from ops.stack import state

_START_SECONDS = 1800.0
"""A start that makes no progress is ended by the supervisor itself; this bounds the wait for a stuck supervisor."""
_STOP_SECONDS = 75.0
_POLL_SECONDS = 0.1

OnReady = Callable[[Sequence[str], Sequence[str]], None]
"""Called with the names of the ready processes, and of those that are not ready yet, in the order of their start."""


@contextmanager
def child_stack(
    var_dir: Path,
    *,
    env: Mapping[str, str],
    on_ready: OnReady,
    options: Sequence[str] = (),
    directory: Path | None = None,
) -> Iterator[state.StackState]:
    """Starts a stack, yields it once everything runs, and stops it in order at the end.

    Args:
        var_dir: the stack's `VAR_DIR`.
        env: the whole environment of its processes but for `VAR_DIR`.
        on_ready: called again and again while the stack starts.
        options: further options of `ops up`.
        directory: the processes' working directory; this process's own by default.

    Raises:
        ops.errors.OpsError: the stack did not start; the message is its last line.
    """
    log = var_dir / "log" / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        supervisor = spawn(
            [sys.executable, "-m", "ops", "up", "--quiet", *options],
            env={**env, "VAR_DIR": str(var_dir)},
            output=output,
            directory=directory,
        )
    try:
        yield _wait_until_running(supervisor, var_dir, log, on_ready)
    finally:
        stop(supervisor, grace_seconds=_STOP_SECONDS)


def _wait_until_running(
    supervisor: subprocess.Popen[bytes], var_dir: Path, log: Path, on_ready: OnReady
) -> state.StackState:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise ServerStartError(last_line(log))
        stack = state.read(var_dir)
        if stack is not None:
            _report(stack, on_ready)
            if stack.phase == "running":
                return stack
        time.sleep(_POLL_SECONDS)
    raise ServerStartError(f"The stack did not start within {_START_SECONDS:.0f} s; {log} says more.")


def _report(stack: state.StackState, on_ready: OnReady) -> None:
    ready = [process.name for process in stack.processes if process.state == "running"]
    on_ready(ready, [process.name for process in stack.processes if process.state != "running"])
