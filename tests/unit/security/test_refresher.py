import os
import threading

import pytest

from security.refresher import Refresher

LONG = 3600.0


class Calls:
    def __init__(self) -> None:
        self.count = 0
        self.came = threading.Semaphore(0)

    def __call__(self) -> None:
        self.count += 1
        self.came.release()

    def wait(self) -> None:
        assert self.came.acquire(timeout=5)


def test_the_first_call_comes_at_once_and_others_when_woken() -> None:
    calls = Calls()
    refresher = Refresher(calls, interval_seconds=LONG, name="test")
    refresher.start()
    calls.wait()
    refresher.wake()
    calls.wait()
    refresher.stop()
    assert calls.count == 2


def test_calls_come_again_after_the_interval() -> None:
    calls = Calls()
    refresher = Refresher(calls, interval_seconds=0.001, name="test")
    refresher.start()
    for _ in range(3):
        calls.wait()
    refresher.stop()


def test_a_call_that_fails_is_logged_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls()

    def fail() -> None:
        calls()
        raise RuntimeError("broken")

    refresher = Refresher(fail, interval_seconds=0.001, name="the list")
    refresher.start()
    for _ in range(3):
        calls.wait()
    refresher.stop()
    assert "the list failed" in caplog.text


def test_starting_twice_makes_one_thread_and_stopping_ends_it() -> None:
    refresher = Refresher(lambda: None, interval_seconds=LONG, name="only one")
    refresher.start()
    refresher.start()
    assert [thread.name for thread in threading.enumerate()].count("only one") == 1
    refresher.stop()
    refresher.stop()
    assert "only one" not in [thread.name for thread in threading.enumerate()]


def test_a_stopped_refresher_can_be_started_again() -> None:
    calls = Calls()
    refresher = Refresher(calls, interval_seconds=LONG, name="test")
    for _ in range(2):
        refresher.start()
        calls.wait()
        refresher.stop()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_starts_a_thread_of_its_own() -> None:
    calls = Calls()
    refresher = Refresher(calls, interval_seconds=LONG, name="test")
    refresher.start()
    calls.wait()
    child = os.fork()
    if child == 0:
        refresher.start()
        os._exit(0 if calls.came.acquire(timeout=5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    refresher.stop()
