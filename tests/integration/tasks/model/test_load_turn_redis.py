import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from tasks.model.load_turn_redis import KEY, RedisLoadTurn


def test_one_process_at_a_time_has_the_turn(redis_client: redis.Redis) -> None:
    first, second = RedisLoadTurn(redis_client), RedisLoadTurn(redis_client)
    assert first.take()
    assert not second.take()
    second.give_back()  # it has nothing to give back
    assert not second.take()
    first.give_back()
    assert second.take()


def test_the_turn_of_a_process_that_died_ends_by_itself(redis_client: redis.Redis) -> None:
    assert RedisLoadTurn(redis_client).take()
    assert 0 < redis_client.pttl(KEY) <= 30_000


def test_an_unreachable_redis_raises_the_domains_exception() -> None:
    turn = RedisLoadTurn(redis.Redis(port=1, socket_timeout=0.2, retry=None))
    for call in (turn.take, turn.give_back):
        with pytest.raises(StoreUnavailableError):
            call()
