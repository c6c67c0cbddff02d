import orjson
import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from security.messages.message_signer import MessageSigner
from tasks.model.self_test_redis import KEY, RedisSelfTestExchange
from tests.contracts.self_test_exchange import ILL, WELL, SelfTestExchangeContract

SIGNER = MessageSigner(b"k" * 32)


class TestRedisSelfTestExchange(SelfTestExchangeContract):
    @pytest.fixture
    def exchange(self, redis_client: redis.Redis) -> RedisSelfTestExchange:
        return RedisSelfTestExchange(redis_client, SIGNER)

    def test_requests_and_answers_of_strangers_count_as_none(
        self, redis_client: redis.Redis, exchange: RedisSelfTestExchange
    ) -> None:
        stranger = RedisSelfTestExchange(redis_client, MessageSigner(b"s" * 32))
        stranger.ask()
        assert exchange.asked() is None
        test_id = exchange.ask()
        stranger.answer(test_id, WELL)
        assert exchange.answers(test_id) == []
        exchange.answer(test_id, ILL)
        answers = f"{KEY}:{test_id}"
        sound = redis_client.hget(answers, ILL.process)
        redis_client.hset(answers, WELL.process, sound)
        redis_client.hset(answers, ILL.process, orjson.dumps(orjson.loads(sound) | {"failure": ""}))
        redis_client.hset(answers, "x", b"{")
        assert exchange.answers(test_id) == []

    @pytest.mark.parametrize("content", [b"{", b"[]", b"1", b'{"id": "x"}', b'{"id": "x", "seal": "y"}'])
    def test_rubbish_is_no_request(
        self, redis_client: redis.Redis, exchange: RedisSelfTestExchange, content: bytes
    ) -> None:
        redis_client.set(KEY, content)
        assert exchange.asked() is None

    def test_both_are_forgotten_soon(self, redis_client: redis.Redis, exchange: RedisSelfTestExchange) -> None:
        test_id = exchange.ask()
        exchange.answer(test_id, WELL)
        assert 0 < redis_client.ttl(KEY) <= 30
        assert 0 < redis_client.ttl(f"{KEY}:{test_id}") <= 60


def test_an_unreachable_redis_raises_the_domains_exception() -> None:
    exchange = RedisSelfTestExchange(redis.Redis(port=1, socket_timeout=0.2, retry=None), SIGNER)
    for call in (exchange.ask, exchange.asked, lambda: exchange.answer("x", WELL), lambda: exchange.answers("x")):
        with pytest.raises(StoreUnavailableError):
            call()
