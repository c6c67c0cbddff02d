from dataclasses import replace

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.fsync_redis import RedisFsync
from ml.stores.redis.persistence_redis import Persistence, broken_promises, read_persistence

SOUND = Persistence(has_aof=True, appendfsync="everysec", eviction="noeviction", knows_barrier=True)


def test_the_embedded_server_keeps_its_promises(redis_client: redis.Redis) -> None:
    assert read_persistence(redis_client) == SOUND
    assert list(broken_promises(SOUND, waits_for_disk=False)) == []


def test_a_running_server_that_is_changed_is_found_out(redis_client: redis.Redis) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    redis_client.config_set("appendonly", "no")
    try:
        with pytest.raises(StoreUnavailableError, match="disk"):
            RedisFsync(redis_client, patience_seconds=1).wait()
        found = " ".join(broken_promises(read_persistence(redis_client), waits_for_disk=False))
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
        redis_client.config_set("appendonly", "yes")
    assert "no append-only file" in found
    assert "maxmemory-policy allkeys-lru" in found


@pytest.mark.parametrize(
    ("appendfsync", "knows_barrier", "problem"),
    [
        ("always", True, None),
        ("everysec", True, "up to a second"),
        ("no", True, "appendfsync no"),
        (None, True, None),
        ("always", False, "WAITAOF"),
    ],
)
def test_waiting_for_the_disk_asks_for_more(
    appendfsync: str | None, *, knows_barrier: bool, problem: str | None
) -> None:
    server = replace(SOUND, appendfsync=appendfsync, knows_barrier=knows_barrier)
    problems = list(broken_promises(server, waits_for_disk=True))
    assert len(problems) == (0 if problem is None else 1)
    assert problem is None or problem in problems[0]


def test_without_as_many_replicas_as_answers_wait_for_the_promise_is_broken() -> None:
    assert list(broken_promises(replace(SOUND, replicas=2), waits_for_disk=False, replicas=2)) == []
    (problem,) = broken_promises(replace(SOUND, replicas=1), waits_for_disk=False, replicas=2)
    assert problem.startswith("DURABILITY_REPLICAS is 2 and Redis has 1 connected replicas")
