"""Self-tests asked for and answered through Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:self_test` | string | 30 s | the test that is asked for: JSON with `id` and `seal` |
| `shrike:self_test:<id>` | hash | 60 s | by process: JSON with `failure` and `seal` |

Both are sealed: one that an intruder wrote counts as none.
"""

import secrets
from typing import Any, Final

import orjson
import redis

from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal
from tasks.model.self_test import SelfTestResult

KEY: Final = "shrike:self_test"
_ASKED_SECONDS = 30
_ANSWERS_SECONDS = 60


class RedisSelfTestExchange:
    """The exchange that all processes share.

    Args:
        client: a client that returns bytes.
        signer: seals requests and answers.
    """

    def __init__(self, client: "redis.Redis", signer: MessageSigner) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._requests = Seal(signer, "self_test.request")
        self._answers = Seal(signer, "self_test.answer")

    def ask(self) -> str:
        """See `SelfTestExchange.ask`."""
        test_id = secrets.token_hex(16)
        request = {"id": test_id, "seal": self._requests.sign(test_id)}
        with redis_failures_as_unavailable():
            self._client.set(KEY, orjson.dumps(request), ex=_ASKED_SECONDS)
        return test_id

    def asked(self) -> str | None:
        """See `SelfTestExchange.asked`."""
        with redis_failures_as_unavailable():
            content = self._client.get(KEY)
        if content is None:
            return None
        try:
            request = orjson.loads(content)
            test_id = str(request["id"])
            self._requests.verify(test_id, seal=request["seal"])
        except (ValueError, KeyError, TypeError, MessageRejectedError):
            return None
        return test_id

    def answer(self, test_id: str, result: SelfTestResult) -> None:
        """See `SelfTestExchange.answer`."""
        answer = {"failure": result.failure, "seal": self._answers.sign(test_id, [result.process, result.failure])}
        with redis_failures_as_unavailable(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.hset(_answers_key(test_id), result.process, orjson.dumps(answer))
            pipeline.expire(_answers_key(test_id), _ANSWERS_SECONDS)
            pipeline.execute()

    def answers(self, test_id: str) -> list[SelfTestResult]:
        """See `SelfTestExchange.answers`."""
        with redis_failures_as_unavailable():
            found = self._client.hgetall(_answers_key(test_id))
        results = (self._opened(test_id, process, content) for process, content in found.items())
        return [result for result in results if result is not None]

    def _opened(self, test_id: str, process: bytes, content: bytes) -> SelfTestResult | None:
        try:
            answer = orjson.loads(content)
            result = SelfTestResult(process.decode(), str(answer["failure"]))
            self._answers.verify(test_id, [result.process, result.failure], seal=answer["seal"])
        except (ValueError, KeyError, TypeError, MessageRejectedError):
            return None
        return result


def _answers_key(test_id: str) -> str:
    return f"{KEY}:{test_id}"
