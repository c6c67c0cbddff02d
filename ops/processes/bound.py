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
_LAST_IN_LINE = 19


def main() -> None:
    """Asks the kernel for SIGKILL at the parent's death, yields the CPU if told, then becomes the command."""
    parent, is_background, command = int(sys.argv[1]), sys.argv[2] == "background", sys.argv[3:]
    if is_background:
        _step_back()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the request reached the kernel; then nobody would ever end this process.
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def _step_back() -> None:
    """Leaves the CPU to every other process that wants it, at once.

    A niceness alone does not: Linux lets a nice process finish its slice, a few milliseconds, before one that has just
    got something to answer. Whoever is idle by policy is interrupted.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # another system than Linux, or a sandbox that forbids it
        os.nice(_LAST_IN_LINE)


if __name__ == "__main__":
    main()
