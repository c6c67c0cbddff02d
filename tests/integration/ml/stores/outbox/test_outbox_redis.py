import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import redis

from ml.delivery.drain import DeliveryRules, Refusal, drain
from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key, dead_letter_key
from ml.stores.outbox.outbox import SINKS, OutboxEntry
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.contracts.outbox import OutboxContract

RULES = DeliveryRules(batch_rows=100, batch_bytes=100_000, linger_seconds=0.0, max_deliveries=5)


def make_outbox(
    client: redis.Redis,
    group: str = "explain",
    *,
    consumer: str = "w-1",
    idle_ms: int = 60_000,
    retry_seconds: float = 0.0,
) -> RedisOutbox:
    return RedisOutbox(
        client,
        stream=OUTBOX,
        group=group,
        groups=SINKS,
        consumer=consumer,
        claim_idle_ms=idle_ms,
        retry_seconds=retry_seconds,
    )


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
        assert (claimed.transaction_id, claimed.deliveries) == ("a", 0)

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

    @pytest.mark.parametrize("fields", [{"id": b"\xff", "event": b"{}"}, {"only": b"\xff"}])
    def test_a_foreign_entry_stops_no_other(self, fields: dict[str, bytes]) -> None:
        self.client.xadd(OUTBOX, fields)
        self.add("a")
        foreign, own = self.outbox.read_new(9)
        assert own.transaction_id == "a"
        assert len(self.outbox.read_pending(9)) == 2
        self.outbox.bury(foreign, "not ours")
        self.outbox.acknowledge([own])
        (letter,) = self.outbox.dead_letters(9)
        assert self.outbox.redrive([letter]) == 1

    def test_a_foreign_group_does_not_hide_the_lag(self) -> None:
        self.add("a")
        self.outbox.read_new(1)
        self.client.xgroup_create(OUTBOX, b"a\xff", id="0")
        assert self.outbox.lag().entries == 1

    def test_a_dead_letter_that_lacks_everything_is_listed_and_put_back_with_the_others(self) -> None:
        self.client.xadd(dead_letter_key("explain"), {"x": b"\xff"})
        self.add("a")
        self.outbox.bury(self.outbox.read_new(1)[0], "poison")
        letters = self.outbox.dead_letters(9)
        assert self.ids(letters) == ["", "a"]
        assert self.outbox.redrive(letters) == 2
        assert self.ids(self.outbox.read_new(9)) == ["", "a"]


class LossyClient(redis.Redis):
    """Loses the replies to some commands: Redis has carried them out, and the caller does not learn it."""

    lost: frozenset[str] = frozenset()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        reply = super().execute_command(*args, **options)
        if args[0] in self.lost:
            raise redis.ConnectionError("the reply was lost")
        return reply


class TestLostReplies:
    @pytest.fixture(autouse=True)
    def _outbox(self, redis_client: redis.Redis) -> Iterator[None]:
        kwargs = redis_client.connection_pool.connection_kwargs
        self.client = LossyClient(host=kwargs["host"], port=kwargs["port"], db=kwargs["db"])
        self.outbox = make_outbox(self.client)
        for number in range(20):
            self.client.xadd(OUTBOX, {"id": str(number), "event": b"{}"})
        yield
        self.client.close()

    def drain(self, *lost: str) -> list[str]:
        """Drains while these replies are lost; returns what was written."""
        written: list[str] = []

        class Sink:
            def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
                written.extend(entry.transaction_id for entry in entries)
                return []

        self.client.lost = frozenset(lost)
        with suppress(StoreUnavailableError):
            drain(self.outbox, Sink(), "explain", rules=RULES)
        return written

    @pytest.mark.parametrize("command", ["XREADGROUP", "XPENDING", "XCLAIM", "EVALSHA"])
    def test_lost_replies_bury_nothing_that_no_write_was_to_blame_for(self, command: str) -> None:
        for _ in range(8):
            self.drain(command)
        self.drain("XREADGROUP")
        self.drain()
        lag = self.outbox.lag()
        assert (lag.entries, lag.dead_letters) == (0, 0)

    def test_an_entry_waits_after_a_delivery_that_failed_and_not_after_a_lost_reply(self) -> None:
        outbox = make_outbox(self.client, retry_seconds=60.0)
        assert len(outbox.read_new(20)) == 20
        first, *others = outbox.read_pending(20)
        outbox.begin([first])
        assert [entry.entry_id for entry in outbox.read_pending(20)] == [entry.entry_id for entry in others]

    def test_many_that_wait_hide_none_that_is_due(self) -> None:
        outbox = make_outbox(self.client, retry_seconds=60.0)
        for number in range(20, 1_200):
            self.client.xadd(OUTBOX, {"id": str(number), "event": b"{}"})
        entries = outbox.read_new(1_200)
        outbox.begin(entries[:-1])
        assert self.ids(outbox.read_pending(5)) == ["1199"]

    def ids(self, entries: Sequence[OutboxEntry]) -> list[str]:
        return [entry.transaction_id for entry in entries]
