"""How Linux shares the CPU out to a process: taking it last, and how long it had to wait for it."""

import contextlib
import os
from pathlib import Path

_LOWEST_PRIORITY = 19


def run_idle(pid: int) -> None:
    """Puts a process under SCHED_IDLE, so that every other process interrupts it.

    A niceness alone does not: Linux lets a nice process finish its slice, a few milliseconds, before another one that
    has just got a request to answer. Threads and children that it starts later are idle too. A process that has ended
    meanwhile is left alone.
    """
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # a thread may end at any moment
                os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
    except FileNotFoundError:
        return
    except (AttributeError, OSError):  # another system than Linux, or a sandbox that forbids it
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _LOWEST_PRIORITY)


def seconds_kept_waiting(pid: int) -> float:
    """Returns how long the process's main thread was ready to run and others had the CPU; 0 if nothing says it.

    Source: https://docs.kernel.org/scheduler/sched-stats.html (second number of `/proc/<pid>/schedstat`, nanoseconds).
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
