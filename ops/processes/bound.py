"""Replaces itself by a command that dies when the process that started it dies, SIGKILL included.

Run as a file, by `ops.processes.spawn`: `python bound.py PARENT_PID foreground|background COMMAND …`. It imports only
the standard library and nothing of ours, so that it costs a few milliseconds. On systems without Linux's `prctl` the
command runs unbound.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_LOWEST_PRIORITY = 19


def main() -> None:
    """Asks the kernel for SIGKILL at the parent's death, takes SCHED_IDLE if asked, then becomes the command."""
    parent, is_background, command = int(sys.argv[1]), sys.argv[2] == "background", sys.argv[3:]
    if is_background:
        _run_idle()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the request reached the kernel; then nothing would ever end this process.
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def _run_idle() -> None:
    """Runs this process under SCHED_IDLE, so that every other process interrupts it.

    A niceness alone does not: Linux lets a nice process finish its slice, a few milliseconds, before another one that
    has just got a request to answer.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # another system than Linux, or a sandbox that forbids it
        os.nice(_LOWEST_PRIORITY)


if __name__ == "__main__":
    main()
