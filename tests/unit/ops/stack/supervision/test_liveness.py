import subprocess
import sys

from ops.processes.spawn import spawn
from ops.stack.supervision.liveness import LivenessWatch, WatchedProcess

IDLE = [sys.executable, "-c", "import time; time.sleep(99)"]


def test_kills_a_process_that_does_not_answer_four_times_in_a_row_and_says_so() -> None:
    said: list[str] = []
    watch = LivenessWatch(list, said.append)
    process = spawn(IDLE, output=subprocess.DEVNULL)
    answers = iter([False, False, False, True, False, False, False, False])
    watched = WatchedProcess("score-1", process, lambda: next(answers))
    for _ in range(7):
        watch.ask(watched)
    assert process.poll() is None
    watch.ask(watched)
    assert process.wait(5) == -9
    assert said == [f"score-1 (pid {process.pid}) does not answer and is killed"]


def test_leaves_a_process_alone_that_waits_for_a_cpu_and_kills_it_once_it_does_not() -> None:
    said: list[str] = []
    waited = iter([0.0, 1e6, 1e6, 1e6, 0.0])
    watch = LivenessWatch(list, said.append, lambda _pid: next(waited))
    process = spawn(IDLE, output=subprocess.DEVNULL)
    watched = WatchedProcess("explain", process, lambda: False)
    for _ in range(6):
        watch.ask(watched)
    assert process.poll() is None
    watch.ask(watched)
    assert process.wait(5) == -9
    assert [text.partition("does not answer")[2] for text in said] == [
        ": other processes have the CPU; it goes on",
        " and is killed",
    ]


def test_kills_no_process_once_it_was_stopped() -> None:
    watch = LivenessWatch(list, lambda _: None)
    process = spawn(IDLE, output=subprocess.DEVNULL)
    watch.stop()
    for _ in range(5):
        watch.ask(WatchedProcess("score-1", process, lambda: False))
    assert process.poll() is None
    process.kill()
    process.wait()
