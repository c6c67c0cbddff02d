"""TCP ports on this machine: free ones, taken ones, and waiting for a server to listen."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ops.errors import ServerStartError

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.05


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
    timeout_seconds: float = 30.0,
) -> None:
    """Waits until a started server is healthy.

    Raises:
        ServerStartError: the process ended, or the time is over; the message ends with its last log line.
    """
    deadline = time.monotonic() + timeout_seconds
    while not is_healthy():
        if process.poll() is not None:
            raise ServerStartError(f"{name} ended at start with code {process.returncode}: {last_line(log)}")
        if time.monotonic() > deadline:
            raise ServerStartError(f"{name} was not healthy after {timeout_seconds:.0f} s: {last_line(log)}")
        time.sleep(_POLL_SECONDS)


def last_line(log: Path) -> str:
    """Returns the last line of a log file that says something."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    return lines[-1].strip() if lines else "it wrote nothing"
