"""A worker's own queue and the answers to its probes, in Redis.

| key | type | life | holds |
| --- | --- | --- | --- |
| `<queue>.<worker>.<random>` | list | 60 s after the last probe | probes, as Celery messages |
| `shrike:reply:probe-<id>` | list | 60 s | ids of answered probes |
| `shrike:replaced` | hash | for ever | by queue, how many workers ended themselves because they were stuck |
"""

import logging
import secrets
from collections.abc import Mapping
from typing import Any, Final

import orjson
import redis
from celery import Celery
from redis.exceptions import ResponseError

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.keys_redis import reply_key
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from security.messages.message_signer import MessageSigner
from tasks.clock import SHARED_CLOCK
from tasks.messaging.message_queue_redis import RedisMessageQueue
from tasks.messaging.messages import MessagePublisher
from tasks.probe import PROBE_TASK

REPLACED: Final = "shrike:replaced"
_LIFE_SECONDS = 60
_MOST_ANSWERS = 100
_MOST_REPLACED = 2**63
_NO_NUMBER = (
    "what Redis counts of replaced workers is no number, and counts as 0: delete it as the Redis user admin (DEL %s)"
)

_log = logging.getLogger(__name__)


def own_queue(queue: str, worker: str) -> str:
    """Returns a name for a worker's own queue, another one at each call: two workers may be given one name."""
    return f"{queue}.{worker}.{secrets.token_hex(4)}"


class _OneQueue:
    """Puts every message on one queue, whatever its route."""

    def __init__(self, client: "redis.Redis", name: str) -> None:
        self._queue = RedisMessageQueue(client)
        self._name = name

    def connect(self) -> None:
        self._queue.connect()

    def encode(self, queue: str, *, message_id: str, headers: Mapping[str, Any], body: list[Any]) -> bytes:  # noqa: ARG002 - the protocol's signature
        return self._queue.encode(self._name, message_id=message_id, headers=headers, body=body)

    def put(self, queue: str, message: bytes) -> None:  # noqa: ARG002 - the protocol's signature
        self._queue.put(self._name, message)


class RedisProbeLine:
    """See `ProbeLine` in `watchdog`; `client` must be connected to the broker and not be the consumer's own."""

    def __init__(self, client: "redis.Redis", app: Celery, signer: MessageSigner, *, queue: str) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._queue = queue
        self._reply_to = reply_key(f"probe-{secrets.token_hex(8)}")
        self._publisher = MessagePublisher(app, signer, _OneQueue(client, queue))

    def send(self, probe_id: str) -> None:
        """See `ProbeLine.send`."""
        payload = orjson.dumps({"reply_to": self._reply_to}).decode()
        deadline_ms = int((SHARED_CLOCK.now() + _LIFE_SECONDS) * 1000)
        self._publisher.publish(PROBE_TASK, payload, message_id=probe_id, deadline_ms=deadline_ms)
        with redis_failures_as_unavailable():
            self._client.expire(self._queue, _LIFE_SECONDS)

    def answered(self) -> set[str]:
        """See `ProbeLine.answered`."""
        with redis_failures_as_unavailable():
            answers = self._client.lpop(self._reply_to, _MOST_ANSWERS) or ()
        return {answer.decode(errors="backslashreplace") for answer in answers}

    def is_waiting(self) -> bool:
        """See `ProbeLine.is_waiting`."""
        with redis_failures_as_unavailable():
            return bool(self._client.llen(self._queue))


def count_replacement(client: "redis.Redis", queue: str) -> None:
    """Counts one worker that ends itself; its own metrics end with it.

    Raises:
        StoreUnavailableError: Redis cannot be reached.
    """
    try:
        with redis_failures_as_unavailable():
            client.hincrby(REPLACED, queue, 1)
    except (StoreUnavailableError, ResponseError) as error:
        if not _is_foreign(error):
            raise
        _log.warning(_NO_NUMBER, REPLACED)


class Replacements:
    """Reads how many workers of a queue ended themselves.

    Args:
        client: of the broker.
        queue: whose workers are counted.
    """

    def __init__(self, client: "redis.Redis", queue: str) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._queue = queue
        self._is_told = False

    def read(self) -> int:
        """Returns the number; 0 if somebody wrote something else in its place, which is logged once.

        Raises:
            StoreUnavailableError: Redis cannot be reached.
        """
        number = self._read()
        if number is None and not self._is_told:
            _log.warning(_NO_NUMBER, REPLACED, extra={"queue": self._queue})
        self._is_told = number is None
        return number or 0

    def _read(self) -> int | None:
        try:
            with redis_failures_as_unavailable():
                number = int(self._client.hget(REPLACED, self._queue) or 0)
        except ValueError:
            return None
        except StoreUnavailableError as error:
            if _is_foreign(error):
                return None
            raise
        return number if 0 <= number < _MOST_REPLACED else None


def _is_foreign(error: Exception) -> bool:
    """Returns whether a key holds no hash, or a field no number that Redis counts with."""
    text = str(error.__cause__ or error)
    return text.startswith("WRONGTYPE") or "not an integer" in text or "overflow" in text
