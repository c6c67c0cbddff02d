import time

import pytest
import redis

from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.contracts.outbox import OutboxContract


def make_outbox(
    client: redis.Redis, group: str = "explain", *, consumer: str = "w-1", idle_ms: int = 60_000
) -> RedisOutbox:
    return RedisOutbox(client, stream=OUTBOX, group=group, groups=SINKS, consumer=consumer, claim_idle_ms=idle_ms)


class TestRedisOutbox(OutboxContract):
    @pytest.fixture(autouse=True)
    def _outbox(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        self.outbox = make_outbox(redis_client)
        self.other = make_outbox(redis_client, "publish")

    def add(self, transaction_id: str) -> None:
        self.client.xadd(OUTBOX, {"id": transaction_id, "event": b"{}"})
        for sink in SINKS:
            self.client.zadd(awaiting_key(sink), {transaction_id: time.time_ns() // 1_000_000})

    def test_acknowledging_ends_the_wait_of_its_sink_alone(self) -> None:
        self.add("a")
        self.outbox.acknowledge(self.outbox.read_new(1))
        assert self.client.zrange(awaiting_key("explain"), 0, -1) == []
        assert self.client.zrange(awaiting_key("publish"), 0, -1) == [b"a"]

    def test_a_buried_entry_is_still_awaited(self) -> None:
        self.add("a")
        self.outbox.bury(self.outbox.read_new(1)[0], "poison")
        assert self.client.zrange(awaiting_key("explain"), 0, -1) == [b"a"]

    def test_another_consumer_gets_a_pending_entry_only_once_it_is_abandoned(self) -> None:
        self.add("a")
        self.outbox.read_new(1)
        assert make_outbox(self.client, consumer="w-2").read_pending(5) == []
        time.sleep(0.05)
        (claimed,) = make_outbox(self.client, consumer="w-2", idle_ms=20).read_pending(5)
        assert (claimed.transaction_id, claimed.deliveries) == ("a", 2)

    def test_a_restarted_consumer_gets_its_own_entries_at_once(self) -> None:
        self.add("a")
        self.outbox.read_new(1)
        assert self.ids(make_outbox(self.client).read_pending(5)) == ["a"]

    def test_goes_on_after_the_server_was_wiped(self) -> None:
        self.add("a")
        self.outbox.read_new(1)
        self.client.flushdb()
        assert self.outbox.read_new(1) == []
        self.add("b")
        assert self.ids(self.outbox.read_new(1)) == ["b"]

    def test_nothing_is_trimmed_before_every_group_exists(self) -> None:
        self.add("a")
        self.outbox.acknowledge(self.outbox.read_new(1))
        assert self.outbox.trim() == 0
        assert self.client.xlen(OUTBOX) == 1
