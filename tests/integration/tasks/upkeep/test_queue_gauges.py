"""The queues are measured in Redis, by the one process that is active."""

import json
from collections.abc import Iterator

import pytest
import redis
from prometheus_client import REGISTRY

from ml.domain.errors import StoreUnavailableError
from ops.processes.ports import free_port
from security.keys import generate_secret
from security.messages.stored_seal import StoredSeal
from settings import Settings
from tasks.upkeep.queue_gauges import QueueGauges
from tasks.upkeep.queue_status import SIGN_OF_LIFE, WORKERS, WorkerStatus, show_worker

QUEUE = "explain"
KEY = generate_secret()


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(f"{valkey_url.rsplit('/', 1)[0]}/12") as client:
        yield client
        client.delete(QUEUE, WORKERS, f"{WORKERS}:seals")


def gauges(client: redis.Redis, *, is_active: bool = True, **changes: object) -> QueueGauges:
    settings = Settings(_env_file=None, message_key=KEY, **changes)
    return QueueGauges(settings, broker=client, client=client, is_active=lambda: is_active)


def live(client: redis.Redis, worker: WorkerStatus) -> None:
    show_worker(client, worker, StoredSeal.from_settings(Settings(_env_file=None, message_key=KEY), SIGN_OF_LIFE))


def shown(name: str, queue: str = QUEUE) -> float | None:
    return REGISTRY.get_sample_value(name, {"queue": queue})


def test_length_age_and_consumers_are_shown_and_an_empty_queue_has_no_age(client: redis.Redis) -> None:
    seconds, _ = client.time()
    client.lpush(QUEUE, json.dumps({"headers": {"sent_at": seconds - 500}}), "another")
    client.rpush(QUEUE, json.dumps({"headers": {"sent_at": seconds - 1000}}))
    live(client, WorkerStatus("explain@a", QUEUE, None, 0.0))
    gauges(client).measure()
    assert shown("celery_queue_length") == 3
    assert shown("celery_queue_oldest_seconds") == pytest.approx(1000, abs=100)
    assert shown("celery_queue_consumers") == 1
    client.delete(QUEUE, WORKERS, f"{WORKERS}:seals")
    gauges(client).measure()
    assert (shown("celery_queue_length"), shown("celery_queue_oldest_seconds")) == (0, 0)
    assert shown("celery_queue_consumers") == 0


def test_a_process_that_is_not_the_active_one_shows_nothing(client: redis.Redis) -> None:
    gauges(client).measure()
    assert shown("celery_queue_length") == 0
    gauges(client, is_active=False).measure()
    assert shown("celery_queue_length") is None


def test_what_cannot_be_read_is_absent_and_not_as_it_was(client: redis.Redis) -> None:
    gauges(client).measure()
    with redis.Redis(port=free_port(), retry=None) as gone, pytest.raises(StoreUnavailableError):
        gauges(gone).measure()
    assert shown("celery_queue_length") is None


def test_a_shard_s_queues_bear_its_name_and_the_shared_ones_of_that_kind_are_nobody_s(client: redis.Redis) -> None:
    shards = {"s1": "redis://127.0.0.1:1/0"}
    live(client, WorkerStatus("explain@s1", QUEUE, None, 0.0, shard="s1"))
    gauges(client, score_shard_urls=shards, shard="s1").measure()
    assert shown("celery_queue_consumers", "explain-s1") == 1
    assert shown("celery_queue_length", "labels-s1") is None
    gauges(client, score_shard_urls=shards, is_active=False).measure()
    gauges(client, score_shard_urls=shards).measure()
    assert (shown("celery_queue_length"), shown("celery_queue_length", "labels")) == (None, 0)
