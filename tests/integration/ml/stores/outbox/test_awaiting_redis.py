import pytest
import redis

from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key, dead_letter_key
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.contracts.awaiting_index import AwaitingIndexContract
from tests.seals import EVENT_SEAL


class TestRedisAwaitingIndex(AwaitingIndexContract):
    @pytest.fixture(autouse=True)
    def _index(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        self.outbox, self.other = (
            RedisOutbox(redis_client, stream=OUTBOX, group=sink, groups=SINKS, consumer="w", claim_idle_ms=1000)
            for sink in SINKS
        )
        self.index, self.other_index = (RedisAwaitingIndex(redis_client, sink, EVENT_SEAL) for sink in SINKS)

    def answer(self, transaction_id: str, since_ms: int) -> None:
        self.client.xadd(OUTBOX, {"id": transaction_id, "event": b"{}"}, id=f"{since_ms}-*")
        for sink in SINKS:
            self.client.zadd(awaiting_key(sink), {transaction_id: since_ms})

    def lose_stream(self) -> None:
        self.client.xtrim(OUTBOX, maxlen=0)

    def test_what_is_no_id_is_taken_off_the_list(self) -> None:
        self.client.zadd(awaiting_key(SINKS[0]), {b"\xff": 1})
        self.answer("a", 5_000)
        assert self.index.overdue(before_ms=10_000, count=1) == []
        assert [item.transaction_id for item in self.index.overdue(before_ms=10_000, count=1)] == ["a"]

    @pytest.mark.parametrize("score", ["-inf", "-7", "-1e300", "1.5"])
    def test_a_moment_that_is_none_keeps_no_transaction_from_its_repair(self, score: str) -> None:
        self.client.execute_command("ZADD", awaiting_key(SINKS[0]), score, "a")
        (item,) = self.index.overdue(before_ms=10_000, count=9)
        assert self.index.held([item]) == set()
        assert self.index.repair("a", b"{}", awaited_since_ms=item.since_ms)

    def test_entries_without_an_id_or_with_a_foreign_one_hide_no_other(self) -> None:
        self.client.xadd(OUTBOX, {"event": b"{}"}, id="4999-1")
        self.client.xadd(OUTBOX, {"id": b"\xff"}, id="4999-2")
        self.client.xadd(dead_letter_key(SINKS[0]), {"reason": "x"})
        self.answer("a", 5_000)
        assert self.index.held(self.index.overdue(before_ms=10_000, count=9)) == {"a"}
