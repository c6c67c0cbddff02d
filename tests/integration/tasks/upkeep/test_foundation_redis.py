from collections.abc import Iterator

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ops.processes.ports import free_port
from tasks.upkeep.foundation_redis import RedisFoundation

_DATABASE = 11


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(f"{valkey_url.rsplit('/', 1)[0]}/{_DATABASE}") as client:
        client.flushdb()
        yield client


def test_a_loss_is_told_once_however_many_notice_it(client: redis.Redis) -> None:
    told: list[str] = []
    first, second = (RedisFoundation(client, lambda name=name: told.append(name)) for name in ("first", "second"))
    for _ in range(2):
        first.check()
        second.check()
    assert told == []
    client.flushdb()
    for _ in range(2):
        first.check()
        second.check()
    assert told == ["first"]
    client.flushdb()
    second.check()
    first.check()
    assert told == ["first", "second"]


def test_a_loss_that_could_not_be_told_is_told_at_the_next_look(client: redis.Redis) -> None:
    told: list[bool] = []

    def tell() -> None:
        told.append(True)
        if len(told) == 1:
            raise StoreUnavailableError("not now")

    foundation = RedisFoundation(client, tell)
    foundation.check()
    client.flushdb()
    with pytest.raises(StoreUnavailableError):
        foundation.check()
    foundation.check()
    foundation.check()
    assert len(told) == 2


def test_a_process_that_starts_afterwards_knows_nothing_of_it(client: redis.Redis) -> None:
    told: list[bool] = []
    RedisFoundation(client, lambda: told.append(True)).check()
    client.flushdb()
    RedisFoundation(client, lambda: told.append(True)).check()
    assert told == []


def test_a_redis_that_does_not_answer_has_lost_nothing() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=free_port())
    foundation = RedisFoundation(nobody, lambda: pytest.fail("nothing is lost"))
    with pytest.raises(StoreUnavailableError):
        foundation.check()
