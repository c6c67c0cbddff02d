import os
import subprocess
import sys
import time
from pathlib import Path

from ops.processes.spawn import spawn, stop

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def started(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = spawn(argv, output=output)
    while "up" not in log.read_text():
        time.sleep(0.01)
    return process


def test_a_child_has_a_process_group_of_its_own(tmp_path: Path) -> None:
    child = started(SLEEP, tmp_path / "log")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    # In a session of its own the kernel would share the CPU out between the sessions, whatever the processes' policies.
    assert os.getsid(child.pid) == os.getsid(0)
    stop(child)


def test_a_child_that_will_not_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    child = started(STUBBORN, tmp_path / "log")
    stop(child, grace_seconds=0.2)
    assert child.returncode == -9


def test_stopping_an_ended_child_is_no_error() -> None:
    child = spawn([sys.executable, "-c", ""])
    child.wait()
    stop(child)
    assert child.returncode == 0
