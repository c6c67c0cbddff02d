"""Slots of scheduled tasks, on a real server."""

from collections.abc import Callable

import pytest
import redis

from tasks.upkeep.slots_redis import SlotKeeper, slot_key


def test_a_slot_is_given_once(redis_client: redis.Redis) -> None:
    keeper = SlotKeeper(redis_client)
    assert [keeper.take("retraining") for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    "write",
    [lambda c, k: c.set(k, "1"), lambda c, k: c.lpush(k, "1"), lambda c, k: c.set(k, "1", ex=86_400)],
    ids=["for-ever", "another-type", "a-day"],
)
def test_what_no_run_wrote_takes_no_slot_and_gives_it_once(
    redis_client: redis.Redis, write: Callable[[redis.Redis, str], object]
) -> None:
    write(redis_client, slot_key("retraining"))
    keeper = SlotKeeper(redis_client)
    assert [keeper.take("retraining") for _ in range(2)] == [True, False]
    assert 0 < redis_client.ttl(slot_key("retraining")) <= 300
