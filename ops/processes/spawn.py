"""Starts child processes in a process group of their own, bound to the life of this process."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_BOUND = Path(__file__).with_name("bound.py")


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a command that dies with this process, whatever ends it.

    The kernel ties the child to the calling thread: call it from one that lives as long as the process. A
    process group of its own keeps the terminal's Ctrl-C away from the child. Its session is this process's: Linux
    shares the CPU out between sessions first, and priorities count within one only.

    Args:
        argv: the command.
        env: its whole environment; this process's own by default.
        directory: its working directory; this process's own by default.
        output: where standard output and error go together; inherited by default.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_BOUND), str(os.getpid()), *argv],
        env=env,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        process_group=0,
    )


def stop(process: subprocess.Popen[bytes], *, grace_seconds: float = 10.0) -> None:
    """Asks a process to end and, after the grace, ends its whole process group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    kill_group(process.pid)
    process.wait()


def kill_group(pid: int) -> None:
    """Kills what is left of the process group that `spawn` made."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
