import logging
import threading

import pytest

from tasks.housekeeping import Housekeeping


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
