"""A bound on the memory that opening a model may take.

A graph of accepted operators can still ask for terabytes: doubling a tensor forty times takes a kilobyte of file.
Within the guard the process's address space may grow by a fixed amount; an allocation beyond it fails, and with it the
model, instead of the kernel's killer ending the process and its neighbours.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPENING_BYTES = 1 << 30
"""A model of the usual size takes some 20 MB to open, check and warm up."""


@contextmanager
def bounded_memory(growth_bytes: int = OPENING_BYTES) -> Iterator[None]:
    """Bounds how much the address space of this process may grow until the block ends; all threads share the bound."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = _address_space_bytes() + growth_bytes
    if soft != resource.RLIM_INFINITY:
        bound = min(bound, soft)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
