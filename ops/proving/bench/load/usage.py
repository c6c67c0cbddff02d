"""CPU time and memory of processes, read from /proc: each process with all its descendants."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and resident bytes that process trees have used so far, by name."""

    cpu_seconds: Mapping[str, float]
    resident_bytes: Mapping[str, int]

    def since(self, earlier: "Usage") -> dict[str, float]:
        """Returns the CPU seconds of each name since an earlier reading."""
        return {name: seconds - earlier.cpu_seconds.get(name, 0.0) for name, seconds in self.cpu_seconds.items()}


def read_usage(roots: Mapping[str, int]) -> Usage:
    """Returns the usage of process trees; a process that is gone has used nothing.

    Args:
        roots: the pid at the root of each tree, by name.
    """
    children = _children()
    cpu: dict[str, float] = {}
    resident: dict[str, int] = {}
    for name, root in roots.items():
        members = [root]
        for pid in members:
            members.extend(children.get(pid, ()))
        readings = [reading for pid in members if (reading := _read(pid)) is not None]
        cpu[name] = sum(seconds for seconds, _ in readings)
        resident[name] = sum(size for _, size in readings)
    return Usage(cpu, resident)


def total(seconds: Mapping[str, float], names: Iterable[str]) -> float:
    """Returns the sum over some names."""
    return sum(seconds.get(name, 0.0) for name in names)


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def _fields(pid: int) -> list[str] | None:
    """Returns the fields of /proc/PID/stat from the third on; the second may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def _read(pid: int) -> tuple[float, int] | None:
    """Returns CPU seconds, ended children included, and resident bytes."""
    fields = _fields(pid)
    if fields is None:
        return None
    ticks = sum(int(fields[index]) for index in (11, 12, 13, 14))
    return ticks / _TICKS_PER_SECOND, int(fields[21]) * _PAGE_BYTES
