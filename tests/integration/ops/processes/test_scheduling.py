"""SCHED_IDLE and waiting times of real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ops.processes.scheduling import (
    is_crowded_beside,
    run_idle,
    seconds_at_work,
    seconds_kept_waiting,
    threads_at_work,
)

THREADED = (
    "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); print('up', flush=True); "
    "input(); threading.Thread(target=time.sleep, args=(60,)).start(); print('more', flush=True); time.sleep(60)"
)
BUSY = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def test_every_thread_of_an_idle_process_is_idle_those_that_start_later_too() -> None:
    with subprocess.Popen([sys.executable, "-c", THREADED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        run_idle(child.pid)
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()
        threads = [thread.name for thread in Path(f"/proc/{child.pid}/task").iterdir()]
        assert len(threads) == 3
        assert {os.sched_getscheduler(int(thread)) for thread in threads} == {os.SCHED_IDLE}
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
        child.kill()


def test_a_process_that_has_ended_is_left_alone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    run_idle(child.pid)
    assert seconds_at_work(child.pid) == 0.0


def test_the_waiting_of_a_child_counts_where_its_parent_only_waits_for_it() -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    parents = [subprocess.Popen([sys.executable, "-c", program, BUSY, cpu], process_group=0) for _ in range(2)]
    try:
        deadline = time.monotonic() + 60
        while not all(seconds_at_work(parent.pid) > 0.5 for parent in parents):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        for parent in parents:
            os.killpg(parent.pid, signal.SIGKILL)
            parent.wait()


def test_work_and_waiting_for_a_cpu_count_and_sleep_does_not() -> None:
    # On one CPU, two busy processes have half of it each.
    cpu = str(min(os.sched_getaffinity(0)))
    busy = [subprocess.Popen([sys.executable, "-c", BUSY, cpu], process_group=0) for _ in range(2)]
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
    try:
        deadline = time.monotonic() + 60
        while not all(
            seconds_at_work(process.pid) > 0.3 and seconds_kept_waiting(process.pid) > 0.1 for process in busy
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        before = seconds_at_work(sleeping.pid)
        time.sleep(0.5)
        assert seconds_at_work(sleeping.pid) - before < 0.25
    finally:
        for process in (*busy, sleeping):
            process.kill()
            process.wait()


def test_busy_processes_are_a_crowd_for_those_beside_them() -> None:
    # All on one CPU and nice: what counts is how many want one, and the other tests keep theirs.
    cpu, count = str(min(os.sched_getaffinity(0))), 3 * (os.cpu_count() or 1)
    fork = f"[os.fork() or exec('while True: pass') for _ in range({count})]; time.sleep(60)"
    program = f"import os, sys, time; os.sched_setaffinity(0, {{int(sys.argv[1])}}); os.nice(19); {fork}"
    parent = subprocess.Popen([sys.executable, "-c", program, cpu], process_group=0)
    try:
        deadline = time.monotonic() + 60
        while not (threads_at_work([parent.pid]) == count and is_crowded_beside([os.getpgid(0)])):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
