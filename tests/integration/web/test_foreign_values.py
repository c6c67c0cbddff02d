"""Somebody wrote something else under our keys in Redis: it is refused or ignored, and never an internal error."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
import redis

from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.keys_redis import OUTBOX, dead_letter_key
from security.roles import Role
from security.safe_mode.safe_mode_redis import AUDIT_KEY, STATE_KEY
from tasks.upkeep.queue_status import WORKERS
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works

_DATABASE = 14
_KNOWN_ID = "t-foreign"

KEYS = [
    *(WORKERS, STATE_KEY, AUDIT_KEY, OUTBOX, "shrike:labels", "score", "explain", "shrike:accepted_version"),
    *("shrike:self_test", "shrike:revocations", "shrike:revocations:version", "shrike:doorbell:labels"),
    *(dead_letter_key("explain"), dead_letter_key("labels"), decision_key(_KNOWN_ID)),
]
_GARBAGE = b'\xff{"a": [1e999, null]}'
_DEEP = b"[" * 5_000
WRITES: dict[str, Callable[[Any, str], object]] = {
    "text": lambda client, key: client.set(key, _GARBAGE),
    "json": lambda client, key: client.set(key, orjson.dumps({"seal": 1, "id": [], "decision": {"a": 1}})),
    "deep": lambda client, key: client.rpush(key, _DEEP),
    "list": lambda client, key: client.rpush(key, _GARBAGE, b"{}", b"1"),
    "hash": lambda client, key: client.hset(
        key, mapping={"a": "b", "enabled": "1", "seal": _GARBAGE, "c": '{"seen_at": "x"}', "d": '{"seen_at": 1e999}'}
    ),
    "deep hash": lambda client, key: client.hset(key, "a", _DEEP),
    "zset": lambda client, key: client.zadd(key, {"a": 1}),
    "stream": lambda client, key: client.xadd(key, {"a": _GARBAGE}),
}


@pytest.fixture(scope="module")
def own_redis(works: Works) -> Iterator["redis.Redis"]:
    url = f"{works.settings.redis_url.rsplit('/', 1)[0]}/{_DATABASE}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(scope="module")
def own_api(works: Works, own_redis: "redis.Redis") -> Iterator[RunningApi]:
    assert own_redis.ping()
    url = f"{works.settings.redis_url.rsplit('/', 1)[0]}/{_DATABASE}"
    with running_api(works, REDIS_URL=url, SCORE_TIMEOUT_MS="200") as api:
        yield api


@pytest.mark.parametrize("key", KEYS)
def test_no_value_under_any_key_is_an_internal_error(own_api: RunningApi, own_redis: "redis.Redis", key: str) -> None:
    looks = ("/admin/queues", "/admin/safe-mode", "/admin/models")
    found = []
    with own_api.client(Role.ADMIN) as admin, own_api.client(Role.READ) as reader, own_api.client() as service:
        for name, write in WRITES.items():
            own_redis.delete(key)
            write(own_redis, key)
            answers = [(path, admin.get(path).status) for path in looks]
            answers.append(("/health/ready", own_api.status("/health/ready")))
            answers.append(("/predictions", reader.get(f"/predictions/{_KNOWN_ID}").status))
            label = {"transaction_id": _KNOWN_ID, "label": "fraud", "source": "test", "labelled_at": time.time()}
            answers.append(("/labels", service.post("/labels", label).status))
            if key in {decision_key(_KNOWN_ID), STATE_KEY, "score"}:
                known = transaction(transaction_id=_KNOWN_ID if "decision" in key else uuid4().hex)
                answers.append((SCORE, service.post(SCORE, known).status))
            found += [(name, path, status) for path, status in answers if status in {0, 500}]
    own_redis.flushdb()
    assert found == []
