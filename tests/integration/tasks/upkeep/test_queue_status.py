import time

import orjson
import redis
from celery import Celery

from settings.queues import QUEUES
from tasks.upkeep.queue_status import WORKERS, WorkerStatus, forget_worker, live_workers, queue_statuses, show_worker


def worker(name: str = "score-1@host", queue: str = "score") -> WorkerStatus:
    return WorkerStatus(name, queue, "v1", 1.0)


def test_a_sign_of_life_counts_until_it_is_stale_or_withdrawn(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker())
    show_worker(redis_client, worker("explain-1@host", "explain"))
    assert live_workers(redis_client) == [worker("explain-1@host", "explain"), worker()]
    forget_worker(redis_client, "score-1@host")
    stale = orjson.loads(redis_client.hget(WORKERS, "explain-1@host")) | {"seen_at": time.time() - 6}
    redis_client.hset(WORKERS, "explain-1@host", orjson.dumps(stale))
    assert live_workers(redis_client) == []
    assert redis_client.hlen(WORKERS) == 1


def test_what_a_killed_worker_left_is_cleared_after_an_hour(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker())
    old = orjson.loads(redis_client.hget(WORKERS, "score-1@host")) | {"seen_at": time.time() - 3601}
    redis_client.hset(WORKERS, "score-1@host", orjson.dumps(old))
    assert live_workers(redis_client) == []
    assert redis_client.hlen(WORKERS) == 0


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
    show_worker(redis_client, worker())
    sign = orjson.loads(redis_client.hget(WORKERS, "score-1@host"))
    misdated = orjson.dumps(sign | {"seen_at": "now"})
    for number, value in enumerate((b"b", b"\xff", b"[]", b"1", b"{}", b"[" * 5_000, misdated, b'{"seen_at": 1e999}')):
        redis_client.hset(WORKERS, f"garbage-{number}", value)
    assert live_workers(redis_client) == [worker()]
    assert redis_client.hkeys(WORKERS) == [b"score-1@host"]


def test_a_sign_of_life_of_a_later_version_counts(redis_client: redis.Redis) -> None:
    show_worker(redis_client, worker())
    sign = orjson.loads(redis_client.hget(WORKERS, "score-1@host"))
    redis_client.hset(WORKERS, "score-1@host", orjson.dumps(sign | {"mood": "good"}))
    assert live_workers(redis_client) == [worker()]
