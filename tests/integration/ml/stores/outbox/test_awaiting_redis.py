import pytest
import redis

from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key
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
