from collections.abc import Iterator
from secrets import token_hex

import pytest
from prometheus_client import REGISTRY

from observability.operations_redis import CountingRedis


@pytest.fixture
def client(valkey_url: str) -> Iterator[CountingRedis]:
    with CountingRedis.from_url(valkey_url) as client:
        assert isinstance(client, CountingRedis)
        yield client


def count(operation: str) -> float:
    return REGISTRY.get_sample_value("redis_ops_total", {"operation": operation}) or 0.0


def test_a_command_is_counted_by_its_name(client: CountingRedis) -> None:
    key, before = token_hex(8), (count("set"), count("get"), count("evalsha"))
    client.set(key, "1", ex=60)
    assert client.get(key) == b"1"
    assert client.register_script("return redis.call('GET', KEYS[1])")(keys=[key]) == b"1"
    # The server did not know the script: its upload and the second call are round trips too.
    assert (count("set"), count("get")) == (before[0] + 1, before[1] + 1)
    assert count("evalsha") == before[2] + 2


def test_a_pipeline_is_one_round_trip(client: CountingRedis) -> None:
    key, before = token_hex(8), (count("pipeline"), count("set"))
    with client.pipeline(transaction=False) as pipeline:
        pipeline.set(key, "1", ex=60)
        pipeline.get(key)
        assert pipeline.execute() == [True, b"1"]
        assert pipeline.execute() == []
    assert (count("pipeline"), count("set")) == (before[0] + 1, before[1])
