"""TCP ports on this machine: free ones, taken ones, and waiting for a server to listen."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ops.errors import ServerStartError, StackError
from ops.processes.scheduling import open_sockets, seconds_at_work

LOOPBACK = "127.0.0.1"
_WILDCARD_HOSTS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on  # nosec B104
_POLL_SECONDS = 0.05
_TAIL_BYTES = 65_536
_LONGEST_START_SECONDS = 900.0
_LISTENING = "0A"
_RESERVATIONS: dict[int, socket.socket] = {}
"""What this process has reserved, until it ends."""


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
    try:
        _listen_shortly(port, host)
    except OSError:
        return False
    return True


def reserve(port: int) -> bool:
    """Keeps other stacks of this machine from planning with the port, as long as this process lives.

    Minutes lie between the plan of a stack and the moment in which its last process listens. Servers are not kept from
    listening there. An abstract socket's name belongs to one process and goes with it, however it ends.

    Returns:
        Whether the port is this process's now; another stack may have reserved it.

    Source: `man 7 unix`, abstract sockets.
    """
    if port in _RESERVATIONS:
        return True
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0shrike-port-{port}")
    except OSError:
        reservation.close()
        return False
    _RESERVATIONS[port] = reservation
    return True


def listens(group: int, port: int) -> bool:
    """Whether a process of this group listens on the port, and not somebody else who has it; yes if nothing says it.

    Source: `man 5 proc_net_tcp` (state 0A listens; the tenth field is the socket's inode).
    """
    inodes = set(_listening_inodes(port))
    return not inodes or not inodes.isdisjoint(open_sockets(group))


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def check_port(port: int, host: str, *, setting: str, patience_seconds: float = 0.0) -> None:
    """Checks that a server can listen where a setting says.

    Args:
        port: 0 stands for any.
        host: a name or an address of this machine.
        setting: that of the port, `…_PORT`; the address is that of `…_HOST`.
        patience_seconds: how long another process may still have the port, such as one of a killed stack.

    Raises:
        ops.errors.StackError: it cannot; the message says which setting to change.
    """
    try:
        _listen_shortly(0, host)
    except OSError as error:
        address = setting.removesuffix("_PORT") + "_HOST"
        raise StackError(f"{address} {host} is no address of this machine: {error.strerror}.") from error
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return _listen_shortly(port, host)
        except PermissionError as error:
            raise StackError(f"{setting} {port} is not permitted to this user; choose one above 1023.") from error
        except OSError as error:
            if time.monotonic() >= deadline:
                raise refusal_of_taken(setting, port) from error
        time.sleep(_POLL_SECONDS)


def refusal_of_taken(setting: str, port: int) -> StackError:
    """Returns the refusal of a port that another process has."""
    return StackError(f"{setting} {port} is taken by another process; end that one, choose another port, or 0 for any.")


def loopback_of(host: str) -> str:
    """Returns where this machine reaches a server that listens on the host.

    >>> loopback_of("0.0.0.0"), loopback_of("::1")
    ('127.0.0.1', '::1')
    """
    return LOOPBACK if host in _WILDCARD_HOSTS else host


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody listens on the port."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _listen_shortly(port: int, host: str) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


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
