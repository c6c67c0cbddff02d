"""Disks that can be filled: a small file system of its own below a folder, or a limit on how far files may grow.

Mounting takes root. Without it a process is forbidden to let its files grow any further, which reaches it as another
error of the same write.
"""

import os
import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_BLOCK_BYTES = 64 * 1024


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Gives an empty folder a file system of its own for the length of a block, if this user may."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def release_disks(folder: Path) -> None:
    """Unmounts what a killed run left mounted below a folder."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in mounted:
        if path.startswith(f"{folder.absolute()}/"):
            subprocess.run(["umount", "--lazy", path], check=True, capture_output=True)


@contextmanager
def full_disk(folder: Path, pids: Sequence[int]) -> Iterator[str]:
    """Lets no file below the folder grow for the length of a block; yields how.

    Args:
        folder: given to `small_disk` before.
        pids: the processes that write there, if it has no file system of its own.
    """
    if folder.is_mount():
        ballast = folder / "ballast"
        try:
            _fill(ballast)
            yield "its file system full"
        finally:
            ballast.unlink(missing_ok=True)
        return
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    try:
        for pid, (_, hard) in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        yield "its files forbidden to grow (no right to mount a small file system)"
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def _fill(file: Path) -> None:
    """Writes until nothing more fits, not even a byte."""
    with suppress(OSError), file.open("wb", buffering=0) as open_file:
        for size in (_BLOCK_BYTES, 1):
            with suppress(OSError):
                while open_file.write(bytes(size)):
                    pass
