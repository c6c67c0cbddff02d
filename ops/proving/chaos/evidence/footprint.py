"""Memory, open files and connections of the platform's processes over time, and whether they grow.

A process is a tree: the API's master counts with its workers. A life that a fault ended says nothing about growth, so
only lives that span most of the measured time are compared.
"""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import StackError
from ops.proving.bench.load.usage import read_usage
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.platform.stack import ChaosStack

_INTERVAL_SECONDS = 10.0
_COMPARED_SHARE = 0.6
"""Share of the measured time that a life must span."""

MEMORY_SHARE, MEMORY_BYTES, FILES = 0.10, 8 * 2**20, 8
"""Growth that is tolerated: a tenth and 8 MiB of memory (allocators keep what they once used), 8 open files."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of one process; `sockets` counts among `files`."""

    at: float
    pid: int
    resident_bytes: int
    files: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How a process's holdings at the end compare with those at the beginning of the measured time (medians)."""

    name: str
    seconds: float
    resident_bytes: tuple[int, int]
    files: tuple[int, int]
    sockets: tuple[int, int]

    @property
    def is_flat(self) -> bool:
        """Whether it grew no more than is tolerated."""
        memory, files = self.resident_bytes, self.files
        return memory[1] <= memory[0] * (1 + MEMORY_SHARE) + MEMORY_BYTES and files[1] <= files[0] + FILES


class Footprint:
    """Reads every process again and again on a thread of its own."""

    def __init__(self, stack: ChaosStack) -> None:
        self._stack = stack
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self.connections: list[tuple[float, int]] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._ends.set()
        self._thread.join()

    def growths(self, since: float) -> list[Growth]:
        """Returns how the lives that span most of the time since a moment have grown."""
        whole = now() - since
        found = []
        for name, samples in sorted(self._samples.items()):
            last = samples[-1].pid
            life = [sample for sample in samples if sample.pid == last and sample.at >= since]
            if len(life) >= 4 and life[-1].at - life[0].at >= _COMPARED_SHARE * whole:
                found.append(growth(name, life))
        return found

    def _run(self) -> None:
        while not self._ends.wait(_INTERVAL_SECONDS):
            with suppress(StackError):
                self._read()

    def _read(self) -> None:
        servers = self._stack.servers
        roots = {one.name: one.pid for one in self._stack.state.processes if one.pid is not None}
        roots |= {one.name: one.pid for one in (servers.valkey, servers.mongo, servers.kafka)}
        memory, moment = read_usage(roots).resident_bytes, time.monotonic()
        for name, pid in roots.items():
            files = [link for member in tree(pid) for link in _links(member)]
            sockets = sum(link.startswith("socket:") for link in files)
            self._samples[name].append(Sample(moment, pid, memory[name], len(files), sockets))
        with suppress(Exception):  # Redis may be down just now; that is the point of the exercise
            info: Any = self._stack.redis.info("clients")
            self.connections.append((moment, info["connected_clients"]))


def growth(name: str, life: Sequence[Sample]) -> Growth:
    """Returns how the last quarter of a life compares with its first."""
    quarter = max(1, len(life) // 4)
    first, last = life[:quarter], life[-quarter:]

    def medians(field: str) -> tuple[int, int]:
        before, after = (statistics.median(getattr(sample, field) for sample in part) for part in (first, last))
        return int(before), int(after)

    return Growth(name, life[-1].at - life[0].at, medians("resident_bytes"), medians("files"), medians("sockets"))


def tree(pid: int) -> list[int]:
    """Returns a process and all its descendants; empty if it has ended."""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(member for child in children for member in tree(int(child)))]
    return []


def _links(pid: int) -> list[str]:
    with suppress(OSError):
        return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return []
