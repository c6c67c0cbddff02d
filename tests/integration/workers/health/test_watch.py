"""The end of a stuck worker."""

import os
from collections.abc import Callable

import pytest
import redis

from workers.health.probe_line_redis import REPLACED, count_replacement
from workers.health.watch import STUCK_EXIT_CODE, end_process


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _exit(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)


def _ended_code(*last_jobs: Callable[[], None]) -> int:
    with pytest.raises(Ended) as ended:
        end_process(*last_jobs)
    return int(ended.value.args[0])


@pytest.mark.parametrize("command", [("HSET", REPLACED, "score", "abc"), ("SET", REPLACED, "x")])
def test_a_stuck_worker_ends_though_its_counter_in_redis_is_no_number(
    redis_client: redis.Redis, command: tuple[str, ...]
) -> None:
    redis_client.execute_command(*command)
    assert _ended_code(lambda: count_replacement(redis_client, "score")) == STUCK_EXIT_CODE


def test_a_last_job_that_fails_keeps_the_next_from_nothing(redis_client: redis.Redis) -> None:
    def fail() -> None:
        raise RuntimeError("a file is gone")

    assert _ended_code(fail, lambda: count_replacement(redis_client, "score")) == STUCK_EXIT_CODE
    assert redis_client.hget(REPLACED, "score") == b"1"
