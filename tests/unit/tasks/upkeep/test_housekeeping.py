import logging
import threading

import pytest

from ml.domain.errors import StoreUnavailableError
from tasks.upkeep.housekeeping import Housekeeping, no_more_often, run_until_done


def test_repeats_every_job_and_survives_one_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    turns = threading.Semaphore(0)

    def fail() -> None:
        raise ValueError("no")

    with caplog.at_level(logging.CRITICAL + 1):
        housekeeping = Housekeeping([fail, turns.release], interval_seconds=0.001)
        housekeeping.start()
        for _ in range(3):
            assert turns.acquire(timeout=5)
        housekeeping.stop()


def test_stopping_before_the_start_is_harmless() -> None:
    Housekeeping([]).stop()


def test_a_job_with_a_pace_of_its_own_skips_the_turns_between() -> None:
    moments = [100.0, 100.5, 101.0, 101.9, 102.0]
    clock = iter(moments)
    runs: list[str] = []
    job = no_more_often(1.0, lambda: runs.append("run"), clock=lambda: next(clock))
    counts = []
    for _ in moments:
        job()
        counts.append(len(runs))
    assert counts == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(("failures", "runs"), [(0, 1), (2, 3), (9, 4)])
def test_what_must_be_done_first_is_tried_again_and_what_is_done_is_not(failures: int, runs: int) -> None:
    tried: list[str] = []

    def flaky() -> None:
        tried.append("flaky")
        if tried.count("flaky") <= failures:
            raise StoreUnavailableError("too slow")

    pauses: list[float] = []
    run_until_done([flaky, lambda: tried.append("sound")], turns=4, sleep=pauses.append)
    assert tried.count("flaky") == runs
    assert tried.count("sound") == 1
    assert len(pauses) == runs - 1


def test_jobs_that_miss_the_same_server_say_so_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    turns = threading.Semaphore(0)

    def fail() -> None:
        turns.release()
        raise StoreUnavailableError("Redis did not answer")

    with caplog.at_level(logging.WARNING):
        housekeeping = Housekeeping([fail] * 4, interval_seconds=0.001)
        housekeeping.start()
        for _ in range(40):
            assert turns.acquire(timeout=50)
        housekeeping.stop()
    # A machine that stands still for seconds may see the second line of the same outage, not one for each job and turn.
    assert 1 <= sum("Redis did not answer" in line for line in caplog.messages) <= 6
