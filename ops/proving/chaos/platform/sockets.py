"""Which process holds the other end of a TCP connection on this machine, read from /proc."""

from collections.abc import Iterable
from pathlib import Path


def owner_of(local_port: int, pids: Iterable[int]) -> int | None:
    """Returns which of the processes has a connection from the port; None if none of them has."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(local_port)}
    return next((pid for pid in pids if inodes & set(_sockets(pid))), None)


def _inodes(local_port: int) -> list[str]:
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return [columns[9] for columns in lines if int(columns[1].rpartition(":")[2], 16) == local_port]


def _sockets(pid: int) -> list[str]:
    try:
        return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it has ended
        return []
