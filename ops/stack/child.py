"""A stack for the length of a block: it ends with the process that started it, whatever ends that one."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.processes.spawn import spawn, stop
from ops.stack import state
from ops.stack.log_file import LogLimits
from ops.stack.start import STOP_SECONDS, OnReady, opened_log, own_log, wait_until_running
from settings import load_settings


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
    with opened_log(own_log(var_dir), LogLimits.of(load_settings())) as output:
        supervisor = spawn(
            [sys.executable, "-m", "ops", "up", "--quiet", *options],
            env={**env, "VAR_DIR": str(var_dir)},
            output=output,
            directory=directory,
        )
    try:
        yield wait_until_running(supervisor, var_dir, on_ready=on_ready)
    finally:
        stop(supervisor, grace_seconds=STOP_SECONDS)
