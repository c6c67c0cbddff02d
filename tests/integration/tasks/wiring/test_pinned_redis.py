import os
import threading
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tasks.wiring.pinned_redis import PinnedConnectionPool


@pytest.fixture
def pinned(valkey_url: str) -> Iterator["redis.Redis"]:
    retry = Retry(NoBackoff(), 1, (RedisConnectionError,))
    with redis.Redis.from_pool(PinnedConnectionPool.from_url(valkey_url, retry=retry)) as client:
        yield client


def test_commands_pipelines_and_threads_share_one_connection(pinned: "redis.Redis") -> None:
    ids = {pinned.client_id()}

    def ask() -> None:
        for _ in range(20):
            pipeline = pinned.pipeline(transaction=False)
            pipeline.echo(threading.current_thread().name)
            pipeline.client_id()
            echoed, number = pipeline.execute()
            assert echoed.decode() == threading.current_thread().name
            ids.add(number)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert len(ids) == 1


def test_a_connection_that_the_server_closed_is_replaced(pinned: "redis.Redis", valkey_url: str) -> None:
    first = pinned.client_id()
    with redis.Redis.from_url(valkey_url) as other:
        other.client_kill_filter(_id=str(first))
    assert pinned.client_id() != first


def test_a_server_that_is_away_keeps_nobody_waiting_for_the_connection() -> None:
    nowhere = redis.Redis.from_pool(PinnedConnectionPool(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0)))
    for _ in range(3):
        with pytest.raises(RedisConnectionError):
            nowhere.ping()
        with pytest.raises(RedisConnectionError):
            nowhere.pipeline(transaction=False).ping().execute()


def test_a_forked_child_has_a_connection_of_its_own(pinned: "redis.Redis") -> None:
    parents = pinned.client_id()
    child = os.fork()
    if child == 0:
        os._exit(0 if pinned.client_id() != parents else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pinned.client_id() == parents
