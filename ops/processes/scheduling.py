"""How Linux shares the CPU out to a process: taking it last, and how long it had to wait for it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LOWEST_PRIORITY = 19


def run_idle(pid: int) -> None:
    """Puts a process under SCHED_IDLE, so that every other process interrupts it.

    A niceness alone does not: Linux lets a nice process finish its slice, a few milliseconds, before another one that
    has just got a request to answer. Threads and children that it starts later are idle too. A process that has ended
    meanwhile is left alone.
    """
    idle: set[int] = set()
    try:
        # Listed again, because a thread that is not idle yet may have started another meanwhile.
        while new := {int(path.name) for path in _threads(pid)} - idle:
            for thread in new:
                with contextlib.suppress(ProcessLookupError):  # a thread may end at any moment
                    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
            idle |= new
    except PermissionError:  # a sandbox that forbids it
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _LOWEST_PRIORITY)


def seconds_kept_waiting(group: int) -> float:
    """Returns how long a process group was ready to run while others had the CPU; 0 if nothing says it.

    The leader's waiting counts, and the longest of all its other threads and children: they start after it, and side by
    side, so that all of theirs together would be more than the group was delayed.

    Source: https://docs.kernel.org/scheduler/sched-stats.html (second number of `schedstat`, nanoseconds).
    """
    others = (_waited(thread) for pid in _members(group) for thread in _threads(pid) if thread.name != str(group))
    return _waited(Path(f"/proc/{group}/task/{group}")) + max(others, default=0.0)


def _members(group: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(path.name)) == group:
                yield int(path.name)


def _threads(pid: int) -> list[Path]:
    """Returns the folders of a process's threads; none if it has ended."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _waited(thread: Path) -> float:
    try:
        return int((thread / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
