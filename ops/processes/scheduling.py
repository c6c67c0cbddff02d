"""What Linux says of a process group: how it shares the CPU out to it, how long it was at work, what it has open."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_LOWEST_PRIORITY = 19
_CROWD_PER_CPU = 2


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


def seconds_at_work(group: int) -> float:
    """Returns how long a process group ran, or was ready to run while others had the CPU; 0 if nothing says it.

    What is left of its life it was blocked or asleep. The leader's time counts, and the longest of all its other
    threads and children: they start after it, and side by side, so that all of theirs together would be more than the
    group was delayed.

    Source: https://docs.kernel.org/scheduler/sched-stats.html (first two numbers of `schedstat`, nanoseconds).
    """
    others = (_at_work(thread) for pid in _members({group}) for thread in _threads(pid) if thread.name != str(group))
    return _at_work(Path(f"/proc/{group}/task/{group}")) + max(others, default=0.0)


def seconds_kept_waiting(group: int) -> float:
    """Returns how long a thread of a process group was ready to run while others had the CPU; 0 if nothing says it.

    The longest of all threads: those that wait for what it holds are asleep meanwhile.

    Source: https://docs.kernel.org/scheduler/sched-stats.html (second number of `schedstat`, nanoseconds).
    """
    return max((_times(thread)[1] for pid in _members({group}) for thread in _threads(pid)), default=0.0)


def is_crowded_beside(groups: Iterable[int]) -> bool:
    """Whether threads outside of these process groups want every CPU more than twice over, now.

    Source: https://docs.kernel.org/filesystems/proc.html (`procs_running` in `/proc/stat`, of the whole machine).
    """
    return _runnable() - threads_at_work(groups) > _CROWD_PER_CPU * (os.cpu_count() or 1)


def _runnable() -> int:
    try:
        words = Path("/proc/stat").read_text().split()
        return int(words[words.index("procs_running") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def threads_at_work(groups: Iterable[int]) -> int:
    """Returns how many threads of process groups have a CPU or want one now."""
    states = (_state(thread) for pid in _members(set(groups)) for thread in _threads(pid))
    return sum(state == "R" for state in states)


def open_sockets(group: int) -> Iterator[str]:
    """Yields the inodes of the sockets that a process group has open."""
    for pid in _members({group}):
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    kind, _, inode = descriptor.readlink().name.partition(":")
                    if kind == "socket":
                        yield inode.strip("[]")


def _state(thread: Path) -> str:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _members(groups: set[int]) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(int(path.name)) in groups:
                yield int(path.name)


def _threads(pid: int) -> list[Path]:
    """Returns the folders of a process's threads; none if it has ended."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _at_work(thread: Path) -> float:
    return sum(_times(thread))


def _times(thread: Path) -> tuple[float, float]:
    """Returns how long a thread ran and how long it waited for a CPU, seconds; zeros if nothing says it."""
    try:
        ran, waited = (thread / "schedstat").read_text().split()[:2]
        return int(ran) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):
        return 0.0, 0.0
