import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.embedded import valkey
from ops.errors import StackError
from ops.processes.ports import accepts, free_port
from ops.proving.chaos.platform.disk import full_disk, small_disk
from ops.stack import state

PROGRAM = '''
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from ops.embedded import valkey
from ops.stack import state
from ops.stack.log_file import LogLimits
from ops.stack.supervision.console import Console
from ops.stack.plan.plan import Plan, Process
from ops.stack.plan.roles import Stage
from ops.stack.supervision.supervisor import Supervisor

var, port = Path(sys.argv[1]), int(sys.argv[2])
data = var / "data"
data.mkdir()
is_healthy = partial(valkey.is_healthy, port)
server = Process("valkey", Stage.SERVERS, tuple(valkey.command(data, port)), {}, port, is_healthy)
ready = var / "ready"
work = f"""
import os, pathlib, time
ready = pathlib.Path({str(ready)!r})
assert ready.exists() or os.sched_getscheduler(0) == os.SCHED_OTHER, "its start must not wait for everybody"
print("at work", flush=True)
ready.touch()
time.sleep(99)
"""
worker = Process("worker", Stage.WORKERS, (sys.executable, "-c", work), {}, None, ready.exists, is_background=True)
worker = replace(worker, is_essential=True)
web = Process("web", Stage.WEB, (sys.executable, "-c", "import time; time.sleep(99)"), {}, is_essential=True)
TOOLS = {"idle": "import time; time.sleep(99)", "dies": "raise SystemExit('broken tool')", "": ""}
tools = [
    Process(name, Stage.OPERATIONS, (sys.executable, "-c", TOOLS[name]), {}, None, lambda: False)
    for name in sys.argv[3].split()
]
plan = Plan((server, worker, web, *tools), {"api": "http://x"}, {})
with state.holding_lock(var):
    Supervisor(plan, var, Console(), LogLimits(100_000, 2), is_crowded=lambda _: False).run(
        lambda missing: print("READY", *missing, flush=True)
    )
'''


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(stack: state.StackState) -> dict[str, int]:
    return {process.name: process.pid for process in stack.processes if process.pid is not None}


class SmallStack:
    """A supervisor in a process of its own, with one server and two idle processes."""

    def __init__(self, folder: Path, *, tools: str = "", program: str = PROGRAM) -> None:
        self.var_dir, self.port, self.output = folder / "var", free_port(), folder / "terminal"
        self.var_dir.mkdir(exist_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(self.var_dir), str(self.port), tools],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: "READY" in self.printed or self.process.poll() is not None)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        return self.output.read_text()

    @property
    def state(self) -> state.StackState:
        stack = state.read(self.var_dir)
        assert stack is not None
        return stack


@contextmanager
def running(stack: SmallStack) -> Iterator[SmallStack]:
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.kill()
        stack.process.wait()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[SmallStack]:
    with running(SmallStack(tmp_path)) as stack:
        yield stack


def test_a_killed_supervisor_leaves_no_process_behind(stack: SmallStack) -> None:
    children = pids(stack.state)
    assert set(children) == {"valkey", "worker", "web"}
    stack.process.send_signal(signal.SIGKILL)
    stack.process.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in children.values()))
    assert not accepts(stack.port)


def test_a_state_file_without_a_living_supervisor_is_stale(stack: SmallStack) -> None:
    stack.process.send_signal(signal.SIGKILL)
    stack.process.wait()
    assert (stack.var_dir / "run" / "stack.json").exists()
    assert state.read(stack.var_dir) is None


def test_a_died_process_starts_again_and_the_terminal_says_so(stack: SmallStack) -> None:
    before = pids(stack.state)["worker"]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pids(stack.state).get("worker", before) != before)
    assert next(process.restarts for process in stack.state.processes if process.name == "worker") == 1
    assert "worker ended with SIGKILL; it starts again in 0.5 s" in stack.printed


def test_a_background_process_takes_the_cpu_last_once_it_is_ready(stack: SmallStack) -> None:
    before = pids(stack.state)
    assert os.sched_getscheduler(before["worker"]) == os.SCHED_IDLE
    assert os.sched_getscheduler(before["web"]) == os.sched_getscheduler(before["valkey"]) == os.SCHED_OTHER
    os.kill(before["worker"], signal.SIGKILL)
    wait_for(lambda: pids(stack.state).get("worker", before["worker"]) != before["worker"])
    wait_for(lambda: os.sched_getscheduler(pids(stack.state)["worker"]) == os.SCHED_IDLE)


def test_a_server_keeps_its_data_over_its_own_death(stack: SmallStack) -> None:
    import redis

    with redis.Redis.from_url(valkey.url(stack.port)) as client:
        client.set("kept", "1")
        os.kill(pids(stack.state)["valkey"], signal.SIGKILL)
        wait_for(lambda: not accepts(stack.port))
        wait_for(lambda: valkey.is_healthy(stack.port))
        assert client.get("kept") == b"1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_web_first_and_servers_last(stack: SmallStack, number: signal.Signals) -> None:
    children = pids(stack.state)
    stack.process.send_signal(number)
    assert stack.process.wait(20) == 0
    stopped = [line.split()[-1] for line in stack.printed.splitlines() if " stopped " in line]
    assert stopped == ["web", "worker", "valkey"]
    assert not any(is_alive(pid) for pid in children.values())
    assert not (stack.var_dir / "run" / "stack.json").exists()


def test_a_second_supervisor_of_the_folder_is_refused(stack: SmallStack) -> None:
    with pytest.raises(StackError, match="runs already"), state.holding_lock(stack.var_dir):
        pass


def test_every_process_has_a_log_file_and_a_prefix_on_the_terminal(stack: SmallStack) -> None:
    wait_for(lambda: "at work" in stack.printed)
    assert (stack.var_dir / "log" / "worker.log").read_text() == "at work\n"
    assert any("worker" in line and "at work" in line for line in stack.printed.splitlines())


def test_the_state_file_names_what_runs(stack: SmallStack) -> None:
    wait_for(lambda: stack.state.phase == "running")
    content = json.loads((stack.var_dir / "run" / "stack.json").read_text())
    assert content["supervisor_pid"] == stack.process.pid
    assert [process["state"] for process in content["processes"]] == ["running"] * 3


@contextmanager
def on_a_small_disk(tmp_path: Path) -> Iterator[SmallStack]:
    (tmp_path / "var").mkdir()
    with small_disk(tmp_path / "var", 8), running(SmallStack(tmp_path)) as stack:
        yield stack


def test_a_full_disk_ends_nothing_and_all_is_back_once_there_is_room(tmp_path: Path) -> None:
    with on_a_small_disk(tmp_path) as stack:
        before = pids(stack.state)
        with full_disk(stack.var_dir, [stack.process.pid]):
            os.kill(before["worker"], signal.SIGKILL)
            wait_for(lambda: stack.printed.count("started worker") == 2)
            assert "the state cannot be written" in stack.printed
            assert stack.process.poll() is None
            assert is_alive(before["valkey"])
            # The old state is still a whole one, and names the living supervisor.
            assert stack.state.supervisor_pid == stack.process.pid
        wait_for(lambda: pids(stack.state).get("worker", before["worker"]) != before["worker"])
        wait_for(lambda: "the state is written again" in stack.printed)
        # What the copier lost is counted in the file; what comes next is in it.
        os.kill(pids(stack.state)["worker"], signal.SIGKILL)
        log = stack.var_dir / "log" / "worker.log"
        wait_for(lambda: log.read_text().splitlines().count("at work") >= 2)


def test_a_full_disk_keeps_nothing_from_stopping_in_order(tmp_path: Path) -> None:
    with on_a_small_disk(tmp_path) as stack, full_disk(stack.var_dir, [stack.process.pid]):
        children = pids(stack.state)
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(60) == 0
        stopped = [line.split()[-1] for line in stack.printed.splitlines() if " stopped " in line]
        assert stopped == ["web", "worker", "valkey"]
        assert not any(is_alive(pid) for pid in children.values())


def test_a_tool_that_dies_at_its_start_is_tried_again_and_ends_nothing(tmp_path: Path) -> None:
    with running(SmallStack(tmp_path, tools="dies")) as stack:
        wait_for(lambda: next(one.restarts for one in stack.state.processes if one.name == "dies") >= 2)
        assert stack.state.phase == "running"
        assert "READY dies" in stack.printed
        assert "dies ended at start with code 1: broken tool" in stack.printed
        assert f"({stack.var_dir / 'log' / 'dies.log'} says more); it starts again in 0.5 s" in stack.printed
        assert pids(stack.state).keys() >= {"valkey", "worker", "web"}


IMPATIENT = PROGRAM.replace(
    "\nplan = ",
    "\nfrom ops.stack.supervision import child\nchild._START_SECONDS[Stage.OPERATIONS] = 0.2\nplan = ",
)


def test_a_tool_that_is_never_ready_is_replaced_and_ends_nothing(tmp_path: Path) -> None:
    with running(SmallStack(tmp_path, tools="idle", program=IMPATIENT)) as stack:
        wait_for(lambda: next(one.restarts for one in stack.state.processes if one.name == "idle") >= 1)
        assert stack.state.phase == "running"
        assert "READY idle" in stack.printed
        assert "idle was not healthy after" in stack.printed


def test_a_process_that_scoring_needs_and_that_dies_at_its_start_ends_the_stack_and_names_its_log(
    tmp_path: Path,
) -> None:
    program = PROGRAM.replace('print("at work", flush=True)', 'raise SystemExit("no model")')
    with pytest.raises(AssertionError), running(SmallStack(tmp_path, program=program)):
        pass
    printed = (tmp_path / "terminal").read_text()
    assert f"worker ended at start with code 1: no model ({tmp_path}/var/log/worker.log says more)" in printed
    assert "stopped valkey" in printed
    assert (tmp_path / "var/log/worker.log").read_text() == "no model\n"


def test_what_a_dead_supervisor_said_is_gone_before_the_next_one_starts_anything(stack: SmallStack) -> None:
    stack.process.kill()
    stack.process.wait()
    assert (stack.var_dir / "run" / "stack.json").exists()
    with state.holding_lock(stack.var_dir):
        assert state.read(stack.var_dir) is None
        state.begin(stack.var_dir)
        found = state.read(stack.var_dir)
    assert found is not None
    assert (found.phase, found.supervisor_pid, found.processes) == ("starting", os.getpid(), ())


def test_a_background_process_shares_alike_until_others_leave_it_a_cpu(tmp_path: Path) -> None:
    crowd = tmp_path / "crowd"
    crowd.touch()
    program = PROGRAM.replace("lambda _: False", f"lambda _: Path({str(crowd)!r}).exists()")
    with running(SmallStack(tmp_path, program=program)) as stack:
        worker = pids(stack.state)["worker"]
        assert os.sched_getscheduler(worker) == os.SCHED_OTHER
        crowd.unlink()
        wait_for(lambda: os.sched_getscheduler(worker) == os.SCHED_IDLE)
