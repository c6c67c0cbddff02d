"""Replaces itself by a command that dies when the process that started it dies, SIGKILL included.

Run as a file, by `ops.processes.spawn`: `python bound.py PARENT_PID NICENESS COMMAND …`. It imports only
the standard library and nothing of ours, so that it costs a few milliseconds. On systems without Linux's
`prctl` the command runs unbound.
"""

import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_TRIES = 20
_PAUSE_SECONDS = 0.11


def main() -> None:
    """Asks the kernel for SIGKILL at the parent's death, yields the CPU as told, then becomes the command."""
    parent, niceness, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    _step_back(niceness)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the request reached the kernel; then nobody would ever end this process.
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def _step_back(niceness: int) -> None:
    """Lowers this process's claim on the CPU, among all processes and not only those of its own session.

    Linux shares the CPU out between sessions first (autogroups), and a process's own niceness counts within its
    session alone; this one is the only one in its own.
    """
    os.nice(niceness)
    for _ in range(_TRIES if niceness else 0):
        try:
            with open("/proc/self/autogroup", "w") as group:  # noqa: PTH123 - pathlib costs more than all of this
                group.write(str(niceness))
        except BlockingIOError:  # the kernel takes ten of these a second
            time.sleep(_PAUSE_SECONDS)
        except OSError:  # no autogroups here
            return
        else:
            return


if __name__ == "__main__":
    main()
