"""A server that refuses, or changes its role behind an address that stays, on real servers."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
import redis
from celery import Celery

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.replies_redis import RedisReplyBox
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.refusals_redis import RefusedError
from observability import metrics
from settings import Settings
from tasks.connections_redis import make_celery_hang_up
from tasks.wiring.clients_redis import Wait, connect_redis
from tests.failover import FailoverPair, failover_pair


def connect(pair: FailoverPair, wait: Wait | None = None, *, pinned: bool = False) -> redis.Redis:
    return connect_redis(Settings(_env_file=None), pair.address, wait, pinned=pinned)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[FailoverPair]:
    with failover_pair(tmp_path) as pair:
        yield pair


@pytest.mark.parametrize("options", [{}, {"pinned": True}], ids=["pooled", "pinned"])
def test_a_write_reaches_the_new_master_behind_the_same_address(pair: FailoverPair, options: dict[str, bool]) -> None:
    client = connect(pair, **options)
    client.set("before", 1)
    pair.fail_over()
    client.set("after", 1)
    assert pair.new.get("after") == b"1"


def test_a_pipeline_and_a_script_reach_it_too(pair: FailoverPair) -> None:
    client = connect(pair, pinned=True)
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    script(keys=["count"])
    pair.fail_over()
    pair.new.set("count", 5)
    assert script(keys=["count"]) == 6
    with client.pipeline(transaction=False) as pipeline:
        pipeline.get("count")
        pipeline.incr("count")
        assert pipeline.execute() == [b"6", 7]


def test_without_a_retry_one_command_fails_and_the_next_reaches_it(pair: FailoverPair) -> None:
    client = connect(pair, Wait(2.0, retries=0))
    client.set("before", 1)
    pair.fail_over()
    with pytest.raises(StoreUnavailableError, match="READONLY"), redis_failures_as_unavailable():
        client.set("after", 1)
    client.set("after", 2)
    assert pair.new.get("after") == b"2"


def test_a_client_that_only_reads_follows_one_that_writes(pair: FailoverPair) -> None:
    reader, writer = connect(pair), connect(pair)
    writer.set("value", "old")
    assert reader.get("value") == b"old"
    pair.fail_over(following=False)  # a reader that stayed would read what nobody writes any more
    writer.set("value", "new")
    assert reader.get("value") == b"new"


def test_a_wait_for_replies_goes_on_at_the_new_master(pair: FailoverPair) -> None:
    box = RedisReplyBox(connect(pair, Wait(20.0, retries_timeouts=False), pinned=True))
    received: list[bytes | None] = []
    thread = Thread(target=lambda: received.append(box.wait(15.0)), daemon=True)
    thread.start()
    waiting = Event()
    while not waiting.is_set():
        if any(client["cmd"] == "blpop" for client in pair.old.client_list()):
            waiting.set()
    pair.fail_over()
    pair.new.lpush(box.address, b"reply")
    thread.join(60)
    assert received == [b"reply"]


def test_celery_publishes_to_the_new_master(pair: FailoverPair) -> None:
    make_celery_hang_up()
    app = Celery("test", set_as_current=False)
    app.config_from_object("celeryconfig")
    app.conf.broker_url = pair.address
    with app.pool.acquire(block=True) as connection:
        connection.default_channel.client.lpush("explain", b"before")
    pair.fail_over()
    with app.pool.acquire(block=True) as connection:
        client = connection.default_channel.client
        with pytest.raises(RefusedError):
            client.lpush("explain", b"lost")
        client.lpush("explain", b"after")
    assert pair.new.lrange("explain", 0, -1) == [b"after"]
    app.close()


def test_each_kind_of_refusal_is_an_unavailable_server_and_counted(pair: FailoverPair) -> None:
    client = connect(pair)
    counted = metrics.redis_refusals_total.labels(code="NOREPLICAS")
    before = counted._value.get()
    pair.old.config_set("min-replicas-to-write", 1)
    with pytest.raises(StoreUnavailableError, match="NOREPLICAS"), redis_failures_as_unavailable():
        client.set("a", 1)
    pair.old.config_set("min-replicas-to-write", 0)
    assert counted._value.get() > before
    pair.old.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailableError, match="OOM"), redis_failures_as_unavailable():
        client.set("a", 1)
    pair.old.config_set("maxmemory", 0)
    pair.old.execute_command("ACL", "SETUSER", "default", "-set")
    with pytest.raises(StoreUnavailableError, match="NOPERM"), redis_failures_as_unavailable():
        client.set("a", 1)
    pair.old.execute_command("ACL", "SETUSER", "default", "+set")
    client.set("a", 2)
    assert pair.old.get("a") == b"2"


def test_a_server_that_runs_a_long_script_is_unavailable_until_it_ends(pair: FailoverPair) -> None:
    client = connect(pair)

    def ask_on() -> None:
        with redis_failures_as_unavailable():
            while True:
                client.get("a")

    with pair.busy(), pytest.raises(StoreUnavailableError, match="BUSY"):
        ask_on()
    assert client.get("a") is None
