"""How many workers ended themselves, as Redis counts it."""

import logging

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ops.processes.ports import free_port
from workers.health.probe_line_redis import REPLACED, Replacements, count_replacement

_FOREIGN = [
    ("HSET", REPLACED, "score", "abc"),
    ("HSET", REPLACED, "score", b"\xff"),
    ("HSET", REPLACED, "score", "-1"),
    ("HSET", REPLACED, "score", "1.5"),
    ("HSET", REPLACED, "score", "9" * 400),
    ("HSET", REPLACED, "score", "9" * 5_000),
    ("SET", REPLACED, "x"),
]


@pytest.mark.parametrize("command", _FOREIGN)
def test_what_is_no_number_counts_as_none_and_is_said_once_with_the_way_out(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture, command: tuple[str | bytes, ...]
) -> None:
    replaced = Replacements(redis_client, "score")
    redis_client.execute_command(*command)
    assert [replaced.read(), replaced.read()] == [0, 0]
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert f"DEL {REPLACED}" in record.getMessage()
    # The way out is the one that was named.
    redis_client.delete(REPLACED)
    count_replacement(redis_client, "score")
    assert replaced.read() == 1
    # What comes back is said again.
    redis_client.delete(REPLACED)
    redis_client.execute_command(*command)
    assert replaced.read() == 0
    assert len(caplog.records) == 2


@pytest.mark.parametrize("command", [("HSET", REPLACED, "score", "abc"), ("SET", REPLACED, "x")])
def test_one_more_to_what_is_no_number_is_a_warning(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture, command: tuple[str, ...]
) -> None:
    redis_client.execute_command(*command)
    count_replacement(redis_client, "score")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_redis_that_is_away_is_said_to_be() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=free_port())
    with pytest.raises(StoreUnavailableError):
        Replacements(nobody, "score").read()
    with pytest.raises(StoreUnavailableError):
        count_replacement(nobody, "score")
