from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from settings import ScoringTopology, Settings
from tasks.wiring.clients_redis import reply_timeout_seconds
from tasks.wiring.connections import Connections, Policy, answer_wait, histories_wait
from tasks.wiring.pinned_redis import PinnedConnectionPool


def connections(**changes: Any) -> Connections:
    return Connections(Settings(_env_file=None, score_timeout_ms=250, redis_socket_timeout_seconds=4.0, **changes))


def retries_of(client: Redis, failure: type[Exception]) -> int:
    """Returns how often a command is repeated that always fails in one way."""
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        raise failure

    with pytest.raises(failure):
        client.connection_pool.connection_kwargs["retry"].call_with_retry(fail, lambda _error: None)
    return calls - 1


@pytest.mark.parametrize(
    ("policy", "timeout_seconds", "retries"),
    [
        (Policy.BACKGROUND, 4.0, 1),
        (Policy.HOUSEKEEPING, 2.0, 1),
        (Policy.REFRESH, 1.0, 1),
        (Policy.PROBE, 1.0, 0),
        (Policy.REQUEST_PATH, 0.25, 0),
    ],
)
def test_a_policy_is_a_bound_and_a_number_of_retries(policy: Policy, timeout_seconds: float, retries: int) -> None:
    client = connections().redis(policy=policy)
    assert reply_timeout_seconds(client) == timeout_seconds
    assert retries_of(client, RedisConnectionError) == retries_of(client, RedisTimeoutError) == retries


def test_stores_of_one_server_and_policy_share_a_client() -> None:
    made = connections(score_shard_urls={"s1": "redis://one:6379/0"})
    shard = made.of(ScoringTopology.from_settings(made.settings).shards["s1"])
    assert made.redis() is made.redis(made.settings.redis_url) is shard.redis()
    assert shard.redis(shard.settings.delivery_url) is made.redis("redis://one:6379/0")
    assert made.redis(policy=Policy.PROBE) is not made.redis()


def test_a_pinned_client_has_one_user() -> None:
    made = connections()
    wait = answer_wait(made.settings)
    first, second = (made.pinned_redis(made.settings.redis_url, wait) for _ in range(2))
    assert first is not second
    assert isinstance(first.connection_pool, PinnedConnectionPool)
    assert (reply_timeout_seconds(first), retries_of(first, RedisConnectionError)) == (0.25, 1)
    assert retries_of(first, RedisTimeoutError) == 0  # the deadline is over when the reply is late


@pytest.mark.parametrize(
    ("feature_redis_url", "timeout_seconds"),
    [(None, 0.25), ("redis://features:6379/0", 0.125), ("redis+cluster://features:6379", 0.125)],
)
def test_histories_on_servers_of_their_own_leave_time_to_refuse(
    feature_redis_url: str | None, timeout_seconds: float
) -> None:
    wait = histories_wait(connections(feature_redis_url=feature_redis_url).settings)
    assert (wait.timeout_seconds, wait.retries_timeouts) == (timeout_seconds, False)


def test_a_process_has_one_client_of_mongodb() -> None:
    with connections() as made:
        assert made.mongo() is made.of(made.settings).mongo()
