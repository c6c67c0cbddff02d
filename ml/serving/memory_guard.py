"""A bound on the memory that opening a model may take.

A graph of accepted operators can still ask for terabytes: doubling a tensor forty times takes a kilobyte of file.
Within the guard the process's address space may grow by a fixed amount; an allocation beyond it fails, and with it the
model, instead of the kernel's killer ending the process and its neighbours.
"""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPENING_BYTES = 1 << 30
"""A model of the usual size takes some 20 MB to open, check and warm up."""


class _Guards:
    """The guards that are open in this process: they share one limit, which the last one to end takes away."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._end_in_child)

    def _forget(self) -> None:
        self._changing = threading.Lock()
        self._open = 0
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def _end_in_child(self) -> None:
        """A forked child has none of the threads that would end the guards."""
        if self._open:
            resource.setrlimit(resource.RLIMIT_AS, self._before)
        self._forget()

    def begin(self, growth_bytes: int) -> None:
        """Sets the limit, or raises it so that this guard too has its whole growth."""
        with self._changing:
            limits = resource.getrlimit(resource.RLIMIT_AS)
            if not self._open:
                self._before = limits
            soft, hard = self._before
            bound = _address_space_bytes() + growth_bytes
            if self._open:
                bound = max(bound, limits[0])
            if soft != resource.RLIM_INFINITY:
                bound = min(bound, soft)
            resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
            self._open += 1

    def end(self) -> None:
        """Takes the limit away unless another guard is open."""
        with self._changing:
            self._open -= 1
            if not self._open:
                resource.setrlimit(resource.RLIMIT_AS, self._before)


_GUARDS = _Guards()


@contextmanager
def bounded_memory(growth_bytes: int = OPENING_BYTES) -> Iterator[None]:
    """Bounds how much the address space of this process may grow until the block ends.

    All threads share the bound. Blocks may lie within each other and overlap; the limit from before the first one is
    back when the last one has ended.
    """
    _GUARDS.begin(growth_bytes)
    try:
        yield
    finally:
        _GUARDS.end()


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
