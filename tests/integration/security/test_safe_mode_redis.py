from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from security.safe_mode import CachedSafeMode, SafeModeUnavailableError
from security.safe_mode_redis import AUDIT_KEY, STATE_KEY, RedisSafeMode
from tests.contracts.safe_mode import SafeModeContract


@pytest.fixture
def client(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(STATE_KEY, AUDIT_KEY)
        yield client
        client.delete(STATE_KEY, AUDIT_KEY)


class TestRedisSafeMode(SafeModeContract):
    @pytest.fixture
    def store(self, client: "redis.Redis") -> RedisSafeMode:
        return RedisSafeMode(client)


def test_every_process_sees_the_same_switch(client: "redis.Redis", valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as second:
        RedisSafeMode(client).enable("broken", "a")
        assert RedisSafeMode(second).read().reason == "broken"


def test_of_many_first_causes_exactly_one_stands_and_all_are_audited(client: "redis.Redis") -> None:
    store = RedisSafeMode(client)
    with ThreadPoolExecutor(8) as pool:
        states = set(pool.map(lambda number: store.enable(f"cause {number}", "a"), range(40)))
    assert states == {store.read()}
    assert len(store.events(100)) == 40


@pytest.mark.parametrize("operation", ["read", "enable", "disable", "events"])
def test_an_unreachable_redis_is_told_in_the_packages_words(operation: str) -> None:
    store = RedisSafeMode(redis.Redis(port=1, socket_timeout=0.2, retry=None))
    calls = {
        "read": store.read,
        "enable": lambda: store.enable("a", "b"),
        "disable": lambda: store.disable("b"),
        "events": lambda: store.events(1),
    }
    with pytest.raises(SafeModeUnavailableError):
        calls[operation]()


def test_a_process_that_never_reached_redis_is_shut() -> None:
    cached = CachedSafeMode(RedisSafeMode(redis.Redis(port=1, socket_timeout=0.2, retry=None)))
    assert cached.state().enabled
