"""Starts the stack in the background, and ends it from another command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from ops.errors import StackError
from ops.stack import state
from ops.stack.foreground import already_running
from ops.stack.log_file import LogLimits
from ops.stack.start import STOP_SECONDS, OnReady, opened_log, own_log, wait_until_running
from settings import Settings

_POLL_SECONDS = 0.1


def start_detached(
    settings: Settings, *, on_ready: OnReady, score_workers: int | None = None, web_processes: int | None = None
) -> state.StackState:
    """Starts a supervisor that outlives this command, and waits until its stack is ready; an interrupted wait ends it.

    Raises:
        ops.errors.OpsError: the stack runs already or did not start; the message is the supervisor's last line.
    """
    running = state.read(settings.var_dir)
    if running is not None:
        raise StackError(already_running(running))
    options = [f"--score-workers={score_workers}"] if score_workers else []
    options += [f"--web-processes={web_processes}"] if web_processes else []
    with opened_log(own_log(settings.var_dir), LogLimits.of(settings)) as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--quiet", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return wait_until_running(supervisor, settings.var_dir, on_ready=on_ready)
    except BaseException:
        if supervisor.poll() is None:
            supervisor.terminate()
        raise


def stop_running(settings: Settings) -> bool:
    """Ends the running stack in order and says whether there was one.

    Raises:
        ops.errors.StackError: it did not end even when killed.
    """
    stack = state.read(settings.var_dir)
    if stack is None:
        return False
    # Killing the supervisor kills all of its processes with it.
    for number, patience_seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        os.kill(stack.supervisor_pid, number)
        if _becomes_true(lambda: not state.is_running(settings.var_dir), patience_seconds):
            state.remove(settings.var_dir)
            return True
    raise StackError(f"The supervisor {stack.supervisor_pid} did not end.")


def _becomes_true(condition: Callable[[], bool], patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
