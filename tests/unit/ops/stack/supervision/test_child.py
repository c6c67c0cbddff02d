import socket
import sys
from pathlib import Path

import pytest

from ops.stack.log_file import LogFile, LogLimits
from ops.stack.plan.plan import Process
from ops.stack.plan.roles import Stage
from ops.stack.supervision.child import Child

LISTEN = "import socket, sys, time; server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(99)"
IDLE = "import time; time.sleep(99)"


def child(folder: Path, program: str, port: int) -> Child:
    argv = (sys.executable, "-c", program, str(port))
    process = Process("web", Stage.WEB, argv, {}, port, is_healthy=lambda: True)
    return Child(process, LogFile(folder / "web.log", LogLimits(100_000, 1)))


@pytest.mark.parametrize("program", [LISTEN, IDLE])
def test_an_answer_of_somebody_else_who_has_the_port_is_no_health_of_the_child(program: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        late = child(tmp_path, program, stranger.getsockname()[1])
        late.start(None)
        try:
            assert not late.look()
            assert not late.was_ready
        finally:
            late.kill()
    late.finish_copying(10)
