"""TCP ports on this machine: free ones, taken ones, and waiting for a server to listen."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ops.errors import ServerStartError
from ops.processes.scheduling import seconds_at_work

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.05
_TAIL_BYTES = 65_536
_LONGEST_START_SECONDS = 900.0


def free_port() -> int:
    """Returns a port that nobody listens on and that the kernel gives to nobody else for the next minute.

    A connection that was closed there leaves the port in TIME_WAIT: the kernel then neither picks it for others nor
    refuses it to a server that binds with SO_REUSEADDR, as all servers do.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as caller:
            listener.accept()[0].close()  # the side that closes first is the one that keeps TIME_WAIT
            caller.recv(1)
        return int(listener.getsockname()[1])


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


def wait_until(
    is_healthy: Callable[[], bool],
    process: subprocess.Popen[bytes],
    *,
    name: str,
    log: Path,
    patience_seconds: float = 30.0,
) -> None:
    """Waits until a server that `spawn` started is healthy, as long as it gets on.

    Args:
        is_healthy: asks it.
        process: leads a process group of its own.
        name: for the message.
        log: where its output goes.
        patience_seconds: how long it may do nothing: what it works, or waits for a CPU, does not count.

    Raises:
        ServerStartError: the process ended, or does nothing; the message has its last log line.
    """
    started = time.monotonic()
    while not is_healthy():
        if process.poll() is not None:
            raise ServerStartError(f"{name} ended at start with code {process.returncode}: {_last_word(log)}")
        seconds = time.monotonic() - started
        if seconds > patience_seconds and is_stuck(process.pid, seconds, patience_seconds):
            raise ServerStartError(f"{name} was not healthy after {seconds:.0f} s: {_last_word(log)}")
        time.sleep(_POLL_SECONDS)


def is_stuck(group: int, seconds: float, patience_seconds: float) -> bool:
    """Whether a process group that started so many seconds ago did nothing for longer than the patience.

    What it works, or waits for a CPU that others have, does not count; however much it works, a quarter of an hour is
    enough.
    """
    return seconds > _LONGEST_START_SECONDS or seconds - seconds_at_work(group) > patience_seconds


def _last_word(log: Path) -> str:
    return f"{last_line(log)} ({log} says more)"


def last_line(log: Path) -> str:
    """Returns the last line of a log file that says something."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
