import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ops.errors import ServerStartError
from ops.stack import state
from ops.stack.log_file import LogLimits
from ops.stack.start import opened_log, own_log, readiness, wait_until_running


def test_a_start_names_the_next_processes_it_waits_for() -> None:
    assert readiness([], ["redis", "mongo", "kafka", "web-1"]) == (
        "0 of 4 processes are ready, waiting for redis, mongo, kafka, …"
    )
    assert readiness(["redis"], ["mongo"]) == "1 of 2 processes are ready, waiting for mongo"
    assert readiness(["redis", "mongo"], []) == "2 of 2 processes are ready"


def a_state(pid: int, phase: str) -> state.StackState:
    process = state.ProcessState("web", "running", pid, None, 0, "web.log")
    return state.StackState(phase, pid, "2026-01-01T00:00:00+00:00", {"api": f"http://{pid}"}, processes=(process,))


def test_the_stack_of_another_supervisor_is_never_taken_for_the_one_that_starts(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    found: list[state.StackState] = []
    reports = threading.Semaphore(0)
    waiting = threading.Thread(
        target=lambda: found.append(wait_until_running(supervisor, tmp_path, on_ready=lambda *_: reports.release()))
    )
    try:
        with state.holding_lock(tmp_path):
            state.write(tmp_path, a_state(1, "running"))
            waiting.start()
            waiting.join(0.5)
            assert waiting.is_alive()
            state.write(tmp_path, a_state(supervisor.pid, "starting"))
            assert reports.acquire(timeout=60)
            assert not found
            state.write(tmp_path, a_state(supervisor.pid, "running"))
            waiting.join(60)
        assert [one.urls["api"] for one in found] == [f"http://{supervisor.pid}"]
    finally:
        supervisor.kill()
        supervisor.wait()


def test_a_supervisor_that_ends_is_reported_by_its_last_line(tmp_path: Path) -> None:
    with opened_log(own_log(tmp_path), LogLimits(1000, 1)) as output:
        supervisor = subprocess.Popen([sys.executable, "-c", "print('first'); print('no model')"], stdout=output)
    with pytest.raises(ServerStartError, match=r"^no model$"):
        wait_until_running(supervisor, tmp_path, on_ready=lambda *_: None)


def test_the_log_of_the_last_start_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    for text in (b"failed", b"again"):
        with opened_log(own_log(tmp_path), LogLimits(1000, 1)) as output:
            output.write(text)
    assert own_log(tmp_path).read_bytes() == b"again"
    assert own_log(tmp_path).with_name("stack.log.1").read_bytes() == b"failed"
