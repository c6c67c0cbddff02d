"""The files in which a group of web processes shares its numbers, with all the room they will need from the start.

prometheus_client maps its files into memory and lets them grow by holes. On a full disk the first touch of a hole ends
the process with SIGBUS, so that a disk full of anything would end the API.
"""

import contextlib
import os
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

_RESERVED_BYTES = 1024 * 1024
"""Several times what the labels of all routes take (7 KB a route in the largest file), so that no file outgrows it."""


class ReservedDict(MmapedDict):
    """A file of numbers whose blocks are its own; without room for them it is memory, which no other process reads.

    A process that began on a full disk answers like every other one, and its numbers are missing until it is replaced.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        if read_mode or _reserve(Path(filename)):
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call] # published without types
            return
        memory = os.memfd_create("metrics")
        try:
            super().__init__(f"/proc/self/fd/{memory}")  # type: ignore[no-untyped-call] # published without types
        finally:
            os.close(memory)


def use_reserved_files() -> None:
    """Makes prometheus_client keep its numbers in such files; called before a metric is made."""
    values.MmapedDict = ReservedDict  # type: ignore[attr-defined] # the library has no other way to name it


def _reserve(path: Path) -> bool:
    """Gives a file its blocks, and says whether there was room."""
    is_new = not path.exists()
    try:
        with path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, _RESERVED_BYTES)
    except OSError:
        # A new file would count as a process that has counted nothing.
        if is_new:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        return False
    return True
