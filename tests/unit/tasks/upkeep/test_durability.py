import logging

import pytest

from observability import metrics
from tasks.upkeep.durability import DurabilityWatch


def test_logs_each_problem_once_and_shows_it_as_long_as_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    states = iter([["no file"], ["no file"], ["no file", "eviction"], [], []])
    watch = DurabilityWatch(lambda: next(states))
    shown = []
    with caplog.at_level(logging.INFO, logger="tasks.upkeep.durability"):
        for _ in range(5):
            watch.look()
            shown.append(metrics.redis_promises_kept._value.get())
    assert shown == [0, 0, 0, 1, 1]
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [
        "durability: no file", "durability: eviction", "durability: Redis keeps its promises again",
    ]  # fmt: skip
