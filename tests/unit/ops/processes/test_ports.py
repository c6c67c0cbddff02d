import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ops.errors import ServerStartError, StackError
from ops.processes import ports
from ops.processes.ports import (
    LOOPBACK,
    accepts,
    check_port,
    free_port,
    is_free,
    last_line,
    listens,
    wait_until,
)
from ops.processes.spawn import spawn, stop


def test_a_free_port_is_given_once() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200


def test_a_free_port_is_kept_from_those_who_take_any() -> None:
    ports = {free_port() for _ in range(50)}
    for _ in range(2000):
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            assert probe.getsockname()[1] not in ports


def test_a_server_can_listen_on_a_free_port() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)


def test_a_port_is_checked_on_the_address_that_is_meant() -> None:
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        assert accepts(port, "127.0.0.2")
        assert not is_free(port, "127.0.0.2")
        assert is_free(port)
        with pytest.raises(StackError, match=f"WEB_PORT {port} is taken"):
            check_port(port, "127.0.0.2", setting="WEB_PORT")
    check_port(port, "127.0.0.2", setting="WEB_PORT")


def test_a_port_that_its_holder_gives_up_is_waited_for() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        holder = threading.Timer(0.3, server.close)
        holder.start()
        check_port(port, LOOPBACK, setting="WEB_PORT", patience_seconds=60)
        holder.join()


def test_a_start_that_works_may_take_longer_than_one_that_sleeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "server.log"
    busy = spawn([sys.executable, "-c", "while True: pass"], output=subprocess.DEVNULL)
    asleep = spawn([sys.executable, "-c", "import time; print('thinking', flush=True); time.sleep(600)"])
    log.write_text("thinking\n")
    looks = iter([False] * 60 + [True])
    try:
        # Sixty looks, three seconds and more, all of them at work or waiting for a CPU.
        wait_until(lambda: next(looks), busy, name="busy", log=log, patience_seconds=1.5)
        with pytest.raises(
            ServerStartError, match=r"asleep was not healthy after \d+ s: thinking \(.*server.log says more"
        ):
            wait_until(lambda: False, asleep, name="asleep", log=log, patience_seconds=1.5)
        monkeypatch.setattr(ports, "_LONGEST_START_SECONDS", 2.0)
        with pytest.raises(ServerStartError, match="busy was not healthy"):
            wait_until(lambda: False, busy, name="busy", log=log, patience_seconds=1.5)
    finally:
        stop(busy)
        stop(asleep)


def test_the_last_line_of_a_long_file_is_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_bytes(b"\xff" * 200_000 + b"\n the end \n\n")
    assert last_line(log) == "the end"
    assert last_line(tmp_path / "absent.log") == "it wrote nothing"


LISTENING_IN_A_CHILD = """
import os, socket, time
server = socket.create_server(("127.0.0.1", 0))
if os.fork():
    server.close()
    os.wait()
print(server.getsockname()[1], flush=True)
time.sleep(99)
"""


def test_who_listens_is_told_from_who_does_not() -> None:
    reader, writer = os.pipe()
    listening = spawn([sys.executable, "-c", LISTENING_IN_A_CHILD], output=writer)
    idle = spawn([sys.executable, "-c", "import time; time.sleep(99)"], output=subprocess.DEVNULL)
    try:
        port = int(os.read(reader, 100))
        assert listens(listening.pid, port)
        assert not listens(idle.pid, port)
        assert listens(idle.pid, free_port()), "where nobody listens, nobody else does"
    finally:
        stop(listening)
        stop(idle)
        os.close(reader)
        os.close(writer)
