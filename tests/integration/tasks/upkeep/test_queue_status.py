import time

import orjson
import pytest
import redis
from celery import Celery

from ml.domain.errors import StoreUnavailableError
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from settings.queues import QUEUES
from tasks.upkeep.queue_status import (
    SEALS,
    SIGN_OF_LIFE,
    WORKERS,
    WorkerStatus,
    forget_worker,
    live_workers,
    queue_statuses,
    show_worker,
)
from tests.seals import MESSAGE_KEY, SIGN_SEAL, STRANGERS_SIGN_SEAL


def give_sign(client: redis.Redis, name: str, sign: bytes) -> None:
    """Writes any sign of life as a holder of the key does."""
    client.hset(WORKERS, name, sign)
    client.hset(SEALS, name, SIGN_SEAL.sign(name, sign))


def worker(name: str = "score-1@host", queue: str = "score") -> WorkerStatus:
    return WorkerStatus(name, queue, "v1", 1.0)


def test_a_sign_of_life_counts_until_it_is_stale_or_withdrawn(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    show_worker(redis_client, worker("explain-1@host", "explain"), SIGN_SEAL)
    assert live_workers(redis_client, SIGN_SEAL) == [worker("explain-1@host", "explain"), worker()]
    forget_worker(redis_client, "score-1@host")
    assert redis_client.hkeys(SEALS) == [b"explain-1@host"]
    stale = orjson.loads(redis_client.hget(WORKERS, "explain-1@host")) | {"seen_at": time.time() - 6}
    give_sign(redis_client, "explain-1@host", orjson.dumps(stale))
    assert live_workers(redis_client, SIGN_SEAL) == []
    assert redis_client.hlen(WORKERS) == 1


def test_what_a_killed_worker_left_is_cleared_after_an_hour(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    old = orjson.loads(redis_client.hget(WORKERS, "score-1@host")) | {"seen_at": time.time() - 3601}
    give_sign(redis_client, "score-1@host", orjson.dumps(old))
    assert live_workers(redis_client, SIGN_SEAL) == []
    assert (redis_client.hlen(WORKERS), redis_client.hlen(SEALS)) == (0, 0)


def test_queues_show_depth_age_and_consumers(redis_client: redis.Redis) -> None:
    connection = redis_client.connection_pool.connection_kwargs
    app = Celery("test", broker=f"redis://{connection['host']}:{connection['port']}/{connection['db']}")
    for age in (20.0, 10.0):
        app.send_task("explanations.drain", queue="explain", headers={"sent_at": time.time() - age})
    app.close()
    statuses = {status.queue: status for status in queue_statuses(redis_client, [worker()])}
    assert tuple(statuses) == QUEUES
    assert (statuses["score"].depth, statuses["score"].oldest_seconds, statuses["score"].consumers) == (0, None, 1)
    assert (statuses["explain"].depth, statuses["explain"].consumers) == (2, 0)
    assert 20.0 <= statuses["explain"].oldest_seconds < 25.0


def test_a_message_without_a_time_has_no_age(redis_client: redis.Redis) -> None:
    redis_client.lpush("labels", b"not a message")
    statuses = {status.queue: status for status in queue_statuses(redis_client, [])}
    assert (statuses["labels"].depth, statuses["labels"].oldest_seconds) == (1, None)


def test_what_is_no_sign_of_life_is_left_out_and_removed(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    sign = orjson.loads(redis_client.hget(WORKERS, "score-1@host"))
    misdated = orjson.dumps(sign | {"seen_at": "now"})
    for number, value in enumerate((b"b", b"\xff", b"[]", b"1", b"{}", b"[" * 5_000, misdated, b'{"seen_at": 1e999}')):
        give_sign(redis_client, f"garbage-{number}", value)
    assert live_workers(redis_client, SIGN_SEAL) == [worker()]
    assert redis_client.hkeys(WORKERS) == redis_client.hkeys(SEALS) == [b"score-1@host"]


def test_a_sign_of_life_of_a_later_version_counts(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    sign = orjson.loads(redis_client.hget(WORKERS, "score-1@host"))
    give_sign(redis_client, "score-1@host", orjson.dumps(sign | {"mood": "good"}))
    assert live_workers(redis_client, SIGN_SEAL) == [worker()]


def test_a_worker_that_somebody_made_up_counts_for_nothing_and_is_removed(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    show_worker(redis_client, worker("stranger"), STRANGERS_SIGN_SEAL)
    sign = redis_client.hget(WORKERS, "score-1@host")
    redis_client.hset(WORKERS, mapping={"unsealed": sign, "another-name": sign, "bytes": sign, "altered": sign + b" "})
    redis_client.hset(SEALS, mapping={"another-name": redis_client.hget(SEALS, "score-1@host"), "bytes": b"\xff"})
    redis_client.hset(SEALS, mapping={"altered": SIGN_SEAL.sign("altered", sign), "nobody": "x"})
    assert live_workers(redis_client, SIGN_SEAL) == [worker()]
    assert redis_client.hkeys(WORKERS) == redis_client.hkeys(SEALS) == [b"score-1@host"]


def test_a_sign_of_life_of_an_earlier_version_counts_as_long_as_the_settings_say(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    redis_client.delete(SEALS)
    signer = MessageSigner(MESSAGE_KEY.encode())
    lenient = StoredSeal(signer, SIGN_OF_LIFE, unsealed_until=time.time() + 60)
    assert live_workers(redis_client, lenient) == [worker()]
    assert live_workers(redis_client, SIGN_SEAL) == []


@pytest.mark.parametrize("key", [WORKERS, SEALS])
def test_a_value_of_another_type_is_named_until_the_next_sign_of_life_replaces_it(
    redis_client: redis.Redis, key: str
) -> None:
    show_worker(redis_client, worker(), SIGN_SEAL)
    redis_client.delete(key)
    redis_client.set(key, "x")
    with pytest.raises(StoreUnavailableError, match=key):
        live_workers(redis_client, SIGN_SEAL)
    show_worker(redis_client, worker(), SIGN_SEAL)
    show_worker(redis_client, worker("score-2@host"), SIGN_SEAL)
    assert live_workers(redis_client, SIGN_SEAL) == [worker(), worker("score-2@host")]
