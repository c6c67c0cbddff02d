from collections.abc import Iterator

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ops.processes.ports import free_port
from tasks.upkeep.dataset_identity_redis import RedisDatasetIdentity

_DATABASE = 11


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(f"{valkey_url.rsplit('/', 1)[0]}/{_DATABASE}") as client:
        client.flushdb()
        yield client


def test_a_loss_is_reported_once_however_many_detect_it(client: redis.Redis) -> None:
    reports: list[str] = []
    first, second = (
        RedisDatasetIdentity(client, lambda name=name: reports.append(name)) for name in ("first", "second")
    )
    for _ in range(2):
        first.check()
        second.check()
    assert reports == []
    client.flushdb()
    for _ in range(2):
        first.check()
        second.check()
    assert reports == ["first"]
    client.flushdb()
    second.check()
    first.check()
    assert reports == ["first", "second"]


def test_a_report_that_failed_is_repeated_at_the_next_check(client: redis.Redis) -> None:
    reports: list[bool] = []

    def report() -> None:
        reports.append(True)
        if len(reports) == 1:
            raise StoreUnavailableError("not now")

    identity = RedisDatasetIdentity(client, report)
    identity.check()
    client.flushdb()
    with pytest.raises(StoreUnavailableError):
        identity.check()
    identity.check()
    identity.check()
    assert len(reports) == 2


def test_a_process_that_starts_afterwards_knows_nothing_of_it(client: redis.Redis) -> None:
    reports: list[bool] = []
    RedisDatasetIdentity(client, lambda: reports.append(True)).check()
    client.flushdb()
    RedisDatasetIdentity(client, lambda: reports.append(True)).check()
    assert reports == []


def test_data_that_an_earlier_release_named_is_not_a_lost_redis(client: redis.Redis) -> None:
    earlier = {b"shrike:founded": b"0123456789abcdef", b"shrike:founded:told": b"0123456789abcdef"}
    client.mset(earlier)
    first, second = (RedisDatasetIdentity(client, lambda: pytest.fail("nothing is lost")) for _ in range(2))
    for _ in range(2):
        first.check()
        second.check()
    # A worker of the earlier release, which still runs during the upgrade, finds its data as it was.
    assert dict(zip(earlier, client.mget(list(earlier)), strict=True)) == earlier


def test_a_redis_that_does_not_answer_has_lost_nothing() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=free_port())
    identity = RedisDatasetIdentity(nobody, lambda: pytest.fail("nothing is lost"))
    with pytest.raises(StoreUnavailableError):
        identity.check()
