from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.placements.placements_redis import RedisPlacements, placement_key
from tests.contracts.placements import PlacementsContract


class TestRedisPlacements(PlacementsContract):
    @pytest.fixture
    def store(self, redis_client: redis.Redis) -> RedisPlacements:
        return RedisPlacements(redis_client, record_ttl_seconds=60)


def test_a_placement_outlives_the_record_of_its_last_use(redis_client: redis.Redis) -> None:
    store = RedisPlacements(redis_client, record_ttl_seconds=600)
    store.place([("t", "s1")])
    redis_client.expire(placement_key("t"), 5)
    store.place([("t", "s2")])
    assert redis_client.ttl(placement_key("t")) > 600


def test_many_processes_agree_on_one_place(redis_client: redis.Redis) -> None:
    store = RedisPlacements(redis_client, record_ttl_seconds=60)
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(lambda number: store.place([("t", f"s{number % 4}")])[0], range(40)))
    assert len({placement.shard for placement in placed}) == 1
    assert sum(placement.is_new for placement in placed) == 1


def test_an_unreachable_server_places_nothing() -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_timeout=0.2, retry=None)
    store = RedisPlacements(nowhere, record_ttl_seconds=60)
    with nowhere:
        with pytest.raises(StoreUnavailableError):
            store.place([("t", "s1")])
        with pytest.raises(StoreUnavailableError):
            store.find_many(["t"])


@pytest.mark.parametrize("command", [("SET", placement_key("a"), b"\xff"), ("RPUSH", placement_key("a"), "x")])
def test_what_somebody_else_wrote_costs_its_own_transaction_alone(
    redis_client: redis.Redis, command: tuple[str | bytes, ...]
) -> None:
    redis_client.execute_command(*command)
    store = RedisPlacements(redis_client, record_ttl_seconds=60)
    foreign, own = store.place([("a", "s1"), ("b", "s1")])
    assert foreign.shard != "s1"
    assert not foreign.is_new
    assert own.shard == "s1"
    assert store.find_many(["a", "b"])[1] == "s1"
