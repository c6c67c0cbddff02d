"""Replaces itself by a command that dies when the process that started it dies, SIGKILL included.

Run as a file, by `ops.processes.spawn`: `python bound.py PARENT_PID COMMAND …`. It imports only the standard library
and nothing of ours, so that it costs a few milliseconds. On systems without Linux's `prctl` the command runs unbound.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Asks the kernel for SIGKILL at the parent's death, then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the request reached the kernel; then nothing would ever end this process.
    if os.getppid() != parent:
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
