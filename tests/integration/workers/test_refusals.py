"""A Redis that answers every command with a refusal is one that is away: workers and beat outlast it."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
import redis

from ops.embedded.valkey import valkey
from ops.processes.ports import LOOPBACK, free_port
from ops.processes.spawn import spawn, stop
from tests.integration.workers.conftest import RunningWorker, Works, transaction, wait_until
from workers.start.dead_messages_redis import dead_messages_key

RECOVERY_SECONDS = 10 * 3.0
"""Workers and beat are back within three seconds once Redis stops refusing; ten times as long on a busy machine."""


@dataclass
class Platform:
    """A worker and a beat on a server of their own."""

    server: redis.Redis
    worker: RunningWorker
    beat_log: Path
    is_beat_alive: Callable[[], bool]

    def works(self) -> bool:
        """Whether the worker takes what is put on its queue."""
        before = self.server.xlen(dead_messages_key("labels"))
        self.server.lpush("labels", b"7")
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if self.server.xlen(dead_messages_key("labels")) > before:
                return True
            time.sleep(0.02)
        return False

    def beats(self) -> bool:
        """Whether beat sends what is due."""
        self.server.delete("publish")
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if self.server.llen("publish"):
                return True
            time.sleep(0.02)
        return False


@pytest.fixture(scope="module")
def platform(works: Works, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("refusals")
    with valkey(folder) as url:
        settings = works.settings.model_copy(update={"redis_url": url})
        env = works.env | {"REDIS_URL": url, "DRAIN_FALLBACK_SECONDS": "0.5"}
        own = Works(folder, env, settings)
        log = folder / "beat.log"
        with log.open("wb") as output:
            beat = spawn([sys.executable, "-m", "ops", "beat"], env=os.environ | env, output=output)
        try:
            with own.worker("labels") as worker:
                yield Platform(redis.Redis.from_url(url), worker, log, lambda: beat.poll() is None)
        finally:
            stop(beat, grace_seconds=5)


@contextmanager
def read_only(server: redis.Redis) -> Iterator[None]:
    server.replicaof(LOOPBACK, free_port())
    yield
    server.replicaof("NO", "ONE")


@contextmanager
def without_replicas(server: redis.Redis) -> Iterator[None]:
    server.config_set("min-replicas-to-write", 1)
    yield
    server.config_set("min-replicas-to-write", 0)


@contextmanager
def full(server: redis.Redis) -> Iterator[None]:
    server.config_set("maxmemory", 1)
    yield
    server.config_set("maxmemory", 0)


@contextmanager
def without_permission(server: redis.Redis) -> Iterator[None]:
    taken = ("brpop", "evalsha", "lpush", "hset", "sadd")
    server.execute_command("ACL", "SETUSER", "default", *(f"-{name}" for name in taken))
    yield
    server.execute_command("ACL", "SETUSER", "default", *(f"+{name}" for name in taken))


@contextmanager
def busy(server: redis.Redis) -> Iterator[None]:
    server.config_set("busy-reply-threshold", 1)

    def run() -> None:
        with pytest.raises(redis.ResponseError, match="killed"):
            server.eval("while true do end", 0)

    script = Thread(target=run, daemon=True)
    script.start()
    yield
    server.script_kill()
    script.join(60)


@contextmanager
def foreign_values(server: redis.Redis) -> Iterator[None]:
    keys = (
        "labels",
        "unacked",
        "unacked_index",
        "unacked_mutex",
        "_kombu.binding.shrike",
        "_kombu.binding.celery.pidbox",
    )
    server.delete(*keys, "shrike:redbeat::lock")
    for key in keys:
        server.set(key, "x")
    server.lpush("shrike:redbeat::lock", "x")
    yield
    server.delete(*keys, "shrike:redbeat::lock")


@pytest.mark.parametrize("fault", [read_only, without_replicas, full, without_permission, busy, foreign_values])
def test_a_worker_and_beat_outlast_a_server_that_refuses(platform: Platform, fault: Callable[..., object]) -> None:
    wait_until(platform.works, what="the worker")
    wait_until(platform.beats, what="beat")
    refused = platform.worker.metric("redis_refusals_total")
    with fault(platform.server):
        wait_until(lambda: platform.worker.metric("redis_refusals_total") >= refused + 3, what="three refusals")
        time.sleep(3)  # several turns of everything that beat and the worker do
    wait_until(platform.works, seconds=RECOVERY_SECONDS, what="the worker after the refusals")
    wait_until(platform.beats, seconds=RECOVERY_SECONDS, what="beat after the refusals")
    assert platform.is_beat_alive(), platform.beat_log.read_text()[-3000:]
    assert platform.worker.get("/health/live")[0] == 200, platform.worker.log.read_text()[-3000:]


def test_a_scoring_worker_that_starts_meanwhile_works_once_the_server_takes_writes(
    works: Works, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(valkey(tmp_path))
        server = redis.Redis.from_url(url)
        settings = works.settings.model_copy(update={"redis_url": url})
        own = Works(tmp_path, works.env | {"REDIS_URL": url}, settings)
        with without_replicas(server):
            worker = stack.enter_context(own.worker("score", until="/health/live"))
            wait_until(lambda: worker.metric("redis_refusals_total") > 0, what="a refusal")
        wait_until(lambda: worker.get("/health/ready")[0] == 200, what="the worker")
        assert own.score(transaction())[0]["status"] == "scored"


def test_a_worker_names_the_key_of_another_type_and_counts_as_away_until_it_is_deleted(platform: Platform) -> None:
    server, worker = platform.server, platform.worker
    wait_until(platform.works, what="the worker")
    server.set("labels", "x")
    wait_until(lambda: worker.get("/health/ready")[0] == 503, what="an unready worker")
    wait_until(lambda: "DEL the one that is wrong: labels" in worker.log.read_text(), what="the key in the log")
    assert worker.get("/health/live")[0] == 200
    server.delete("labels")
    wait_until(lambda: worker.get("/health/ready")[0] == 200, what="a ready worker")
    wait_until(platform.works, what="the worker after the deletion")


@pytest.mark.parametrize("kept", ["another type", "no id left"])
def test_an_unreadable_message_that_cannot_be_kept_ends_no_worker(platform: Platform, kept: str) -> None:
    server, key = platform.server, dead_messages_key("labels")
    wait_until(platform.works, what="the worker")
    server.delete(key)
    if kept == "another type":
        server.set(key, "x")
    else:
        server.xadd(key, {"a": "b"}, id="18446744073709551615-18446744073709551615")
    server.lpush("labels", b"7")
    wait_until(lambda: not server.exists("labels"), what="the message taken")
    server.delete(key)
    wait_until(platform.works, what="the worker")
    assert platform.worker.get("/health/live")[0] == 200
