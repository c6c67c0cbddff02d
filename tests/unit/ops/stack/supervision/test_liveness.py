import subprocess
import sys

from ops.processes.spawn import spawn
from ops.stack.supervision.liveness import LivenessWatch, Patient

IDLE = [sys.executable, "-c", "import time; time.sleep(99)"]


def test_kills_who_answers_nobody_four_times_in_a_row_and_says_so() -> None:
    said: list[str] = []
    watch = LivenessWatch(list, said.append)
    process = spawn(IDLE, output=subprocess.DEVNULL)
    answers = iter([False, False, False, True, False, False, False, False])
    patient = Patient("score-1", process, lambda: next(answers))
    for _ in range(7):
        watch.ask(patient)
    assert process.poll() is None
    watch.ask(patient)
    assert process.wait(5) == -9
    assert said == [f"score-1 (pid {process.pid}) does not answer and is killed"]


def test_kills_nobody_once_it_was_stopped() -> None:
    watch = LivenessWatch(list, lambda _: None)
    process = spawn(IDLE, output=subprocess.DEVNULL)
    watch.stop()
    for _ in range(5):
        watch.ask(Patient("score-1", process, lambda: False))
    assert process.poll() is None
    process.kill()
    process.wait()
