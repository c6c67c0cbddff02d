import pytest
import redis

from ml.stores.outbox.answered_redis import RedisAnsweredIndex
from ml.stores.outbox.keys_redis import answered_key
from tests.contracts.answered_index import AnsweredIndexContract


class TestRedisAnsweredIndex(AnsweredIndexContract):
    @pytest.fixture(autouse=True)
    def _index(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        self.index = RedisAnsweredIndex(redis_client)

    def answer(self, minute: int, *transaction_ids: str) -> None:
        self.client.rpush(answered_key(minute), *transaction_ids)

    def test_a_foreign_name_hides_no_answer(self) -> None:
        self.client.rpush(answered_key(7), b"\xff", "a")
        assert "a" in self.index.answered(7)
