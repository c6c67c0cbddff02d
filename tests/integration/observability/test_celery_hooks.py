"""A real worker on a real broker: what the hooks measure there."""

import time
from collections.abc import Callable, Iterator
from secrets import token_hex

import pytest
from celery import Celery, signals
from celery.contrib.testing.worker import start_worker
from kombu import Queue
from prometheus_client import REGISTRY

from observability import celery_hooks
from observability.context import bind_correlation_id, get_correlation_id

SEEN: list[str | None] = []


@pytest.fixture(scope="module")
def queue() -> str:
    return f"hooks-{token_hex(4)}"


@pytest.fixture(scope="module")
def app(valkey_url: str, queue: str) -> Iterator[Celery]:
    app = Celery("hooks-test", broker=valkey_url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(queue)],
        task_default_queue=queue,
        task_ignore_result=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )

    @app.task(name="test.note")
    def note() -> None:
        SEEN.append(get_correlation_id())

    @app.task(name="test.fail")
    def fail() -> None:
        raise ValueError("expected by the test")

    celery_hooks.instrument(app, queue)
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        yield app


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the worker did not get there in time"
        time.sleep(0.02)


@pytest.mark.usefixtures("app")
def test_a_workers_queue_is_up_from_ready_to_shutdown(queue: str) -> None:
    # The worker of Celery's own test kit runs tasks for real, but does not send these two signals.
    signals.worker_ready.send(sender=None)
    assert value("celery_worker_up", queue=queue) == 1
    signals.worker_shutting_down.send(sender=None)
    assert REGISTRY.get_sample_value("celery_worker_up", {"queue": queue}) == 0


def test_wait_run_time_and_outcome_are_measured(app: Celery, queue: str) -> None:
    before = value("celery_task_total", task="test.note", state="success")
    app.send_task("test.note", headers={"sent_at": time.time() - 5})
    app.send_task("test.fail")
    wait_until(lambda: value("celery_task_total", task="test.fail", state="failure") >= 1)
    assert value("celery_task_total", task="test.note", state="success") == before + 1
    assert value("celery_task_runtime_seconds_count", task="test.note") == before + 1
    assert value("celery_queue_wait_seconds_count", queue=queue) >= 2
    assert 5 <= value("celery_queue_wait_seconds_sum", queue=queue) < 30


def test_the_senders_correlation_id_is_the_tasks_and_ends_with_it(app: Celery) -> None:
    SEEN.clear()
    with bind_correlation_id("order-4711"):
        app.send_task("test.note")
    app.send_task("test.note")
    app.send_task("test.note", headers={"X-Correlation-ID": "forged\nline"})
    wait_until(lambda: len(SEEN) == 3)
    assert SEEN[:2] == ["order-4711", None]
    assert SEEN[2] not in (None, "forged\nline")


def test_a_nonsensical_sending_time_is_ignored(app: Celery, queue: str) -> None:
    before = value("celery_queue_wait_seconds_count", queue=queue)
    SEEN.clear()
    for sent_at in ("yesterday", None, True, -1e300, 1e12):
        app.send_task("test.note", headers={"sent_at": sent_at})
    wait_until(lambda: len(SEEN) == 5)
    # Only the time from the future counts, as no wait at all: a sender's clock may be ahead.
    assert value("celery_queue_wait_seconds_count", queue=queue) == before + 1


def test_an_expired_message_and_an_unknown_task_are_counted(app: Celery) -> None:
    unknown = value("celery_task_total", task="(unknown)", state="unknown")
    revoked = value("celery_task_total", task="test.note", state="revoked")
    app.send_task("test.made-up-by-a-client")
    app.send_task("test.note", expires=-1)
    wait_until(lambda: value("celery_task_total", task="(unknown)", state="unknown") == unknown + 1)
    wait_until(lambda: value("celery_task_total", task="test.note", state="revoked") == revoked + 1)
