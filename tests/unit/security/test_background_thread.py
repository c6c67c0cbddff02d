"""`BackgroundThread` against real threads and a real fork."""

import os
import threading

import pytest

from security.background_thread import BackgroundThread

TIMEOUT = 5.0


def test_starts_one_thread_however_often_it_is_asked() -> None:
    go, started = threading.Event(), []
    background = BackgroundThread(lambda: (started.append(threading.current_thread().name), go.wait(TIMEOUT)), name="x")
    for _ in range(3):
        background.start()
    assert background.is_running
    go.set()
    background.join(TIMEOUT)
    assert started == ["x"]


def test_a_thread_that_ended_is_replaced() -> None:
    runs = []
    background = BackgroundThread(lambda: runs.append(1), name="x")
    for _ in range(2):
        background.start()
        background.join(TIMEOUT)
        assert not background.is_running
    assert runs == [1, 1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_failed_is_replaced() -> None:
    runs = []

    def fail() -> None:
        runs.append(1)
        raise RuntimeError("boom")

    background = BackgroundThread(fail, name="x")
    for _ in range(2):
        background.start()
        background.join(TIMEOUT)
    assert runs == [1, 1]


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_its_own_thread_with_fresh_state() -> None:
    go, renewed = threading.Event(), []
    background = BackgroundThread(lambda: go.wait(TIMEOUT), name="x", after_fork=lambda: renewed.append(1))
    background.start()
    child = os.fork()
    if child == 0:
        good = not background.is_running and renewed == [1]
        go.set()
        background.start()
        background.join(TIMEOUT)
        os._exit(0 if good and not background.is_running else 1)
    _, status = os.waitpid(child, 0)
    go.set()
    background.join(TIMEOUT)
    assert os.waitstatus_to_exitcode(status) == 0
    assert renewed == []


def test_an_owner_without_a_running_thread_can_be_freed() -> None:
    import gc
    import weakref

    background = BackgroundThread(lambda: None, name="x")
    background.start()
    background.join(TIMEOUT)
    gone = weakref.ref(background)
    del background
    gc.collect()
    assert gone() is None
