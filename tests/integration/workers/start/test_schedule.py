"""Beat's schedule, when somebody writes into Redis what beat might believe."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import redis
from celery import Celery
from redbeat.decoder import RedBeatJSONEncoder

from workers.start.schedule import FixedScheduler

_DATABASE = 9
_EVERY_HOUR = 3600.0


@pytest.fixture
def url(valkey_url: str) -> str:
    return f"{valkey_url.rsplit('/', 1)[0]}/{_DATABASE}"


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def app(url: str) -> Iterator[Celery]:
    app = Celery("test", set_as_current=False)
    app.config_from_object("celeryconfig")
    app.conf.broker_url = app.conf.redbeat_redis_url = url
    app.conf.redbeat_lock_key = None
    app.conf.beat_schedule = {"check": {"task": "drift.check", "schedule": _EVERY_HOUR}}
    yield app
    app.close()


def turns(app: Celery, number: int = 3) -> FixedScheduler:
    scheduler = FixedScheduler(app)
    for _ in range(number):
        scheduler.tick()
    return scheduler


def write(client: redis.Redis, name: str, definition: object, meta: object) -> None:
    key = f"shrike:redbeat:{name}"
    client.hset(key, "definition", json.dumps(definition, cls=RedBeatJSONEncoder))
    client.hset(key, "meta", meta if isinstance(meta, str) else json.dumps(meta, cls=RedBeatJSONEncoder))
    client.zadd("shrike:redbeat::schedule", {key: 0})


def ran(at: datetime) -> dict[str, object]:
    return {"last_run_at": at, "total_run_count": 1}


def test_a_first_start_sends_nothing_before_its_time(app: Celery, client: redis.Redis) -> None:
    turns(app)
    assert client.llen("retrain") == 0


def test_a_restart_makes_up_for_one_missed_run_and_then_waits(app: Celery, client: redis.Redis) -> None:
    write(client, "check", {}, ran(datetime.now(UTC) - timedelta(hours=5)))
    turns(app)
    assert client.llen("retrain") == 1
    turns(app)
    assert client.llen("retrain") == 1


def test_an_entry_that_somebody_wrote_is_never_sent(app: Celery, client: redis.Redis) -> None:
    long_ago = ran(datetime.now(UTC) - timedelta(days=1))
    body = {"task": "retraining.run", "args": [], "kwargs": {}, "options": {}, "schedule": 1, "enabled": True}
    write(client, "mine", {"name": "mine", **body}, long_ago)
    write(client, "check", {"name": "check", **body}, ran(datetime.now(UTC)))
    turns(app)
    assert client.llen("retrain") == 0


def test_a_last_run_set_back_again_and_again_gains_one_run(app: Celery, client: redis.Redis) -> None:
    scheduler = turns(app, 0)
    for _ in range(5):
        write(client, "check", {}, ran(datetime.now(UTC) - timedelta(days=1)))
        scheduler.tick()
    assert client.llen("retrain") == 1


@pytest.mark.parametrize(
    "meta", ["{", "[]", "1", '{"last_run_at": "soon"}', '{"last_run_at": {"__type__": "datetime", "year": 1}}']
)
def test_rubbish_stops_nothing(app: Celery, client: redis.Redis, meta: str) -> None:
    write(client, "check", {}, meta)
    turns(app)
    assert client.llen("retrain") == 0


def test_a_last_run_in_the_future_is_not_believed(app: Celery, client: redis.Redis) -> None:
    write(client, "check", {}, ran(datetime.now(UTC) + timedelta(days=1)))
    app.conf.beat_schedule = {"check": {"task": "drift.check", "schedule": 0.2}}
    scheduler = turns(app, 0)
    until = time.monotonic() + 10
    while client.llen("retrain") == 0 and time.monotonic() < until:
        with suppress(RuntimeError):
            scheduler.tick()
        time.sleep(0.05)
    assert client.llen("retrain") == 1


@pytest.mark.parametrize("key", ["shrike:redbeat:check", "shrike:redbeat::schedule"])
def test_a_value_of_another_type_neither_stops_an_entry_nor_has_it_sent_too_often(
    app: Celery, client: redis.Redis, key: str
) -> None:
    client.set(key, "x")
    app.conf.beat_schedule = {"check": {"task": "drift.check", "schedule": 0.2}}
    scheduler = turns(app, 0)
    until = time.monotonic() + 10
    while client.llen("retrain") == 0 and time.monotonic() < until:
        scheduler.tick()
        time.sleep(0.05)
    assert client.llen("retrain") == 1
    app.conf.beat_schedule = {"check": {"task": "drift.check", "schedule": _EVERY_HOUR}}
    scheduler.tick()
    assert client.llen("retrain") == 1


@pytest.fixture
def locked(app: Celery) -> Celery:
    app.conf.redbeat_lock_key = "shrike:redbeat::lock"
    app.conf.beat_schedule = {"check": {"task": "drift.check", "schedule": 0.01}}
    return app


@pytest.mark.parametrize("write_lock", [lambda c, k: c.set(k, "x"), lambda c, k: c.lpush(k, "x")])
def test_a_lock_that_no_beat_wrote_expires_and_beat_goes_on(
    locked: Celery, client: redis.Redis, write_lock: Callable[[redis.Redis, str], object]
) -> None:
    key = "shrike:redbeat::lock"
    scheduler = turns(locked, 1)
    client.delete(key, "retrain")
    write_lock(client, key)
    for _ in range(3):
        scheduler.tick()
    assert client.llen("retrain") == 0
    assert 0 < client.pttl(key) <= 30_000
    client.delete(key)  # as its expiry does
    scheduler.tick()
    assert client.llen("retrain") == 1
    scheduler.close()
    assert not client.exists(key)


def test_a_second_beat_sends_nothing_and_leaves_the_lock(locked: Celery, client: redis.Redis) -> None:
    first = turns(locked, 1)
    client.delete("retrain")
    token = client.get("shrike:redbeat::lock")
    turns(locked)
    assert client.llen("retrain") == 0
    assert client.get("shrike:redbeat::lock") == token
    first.tick()
    assert client.llen("retrain") == 1
