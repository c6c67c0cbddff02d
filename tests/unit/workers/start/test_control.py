from typing import Any

import pytest
from celery.worker.control import Panel

from observability import metrics
from ops.commands.processes.flower import flower_environment
from settings import Settings
from workers.start.control import ANSWERED, HARMLESS, refuse_remote_orders


@pytest.fixture(autouse=True)
def _panel() -> Any:
    before = dict(Panel.data)
    refuse_remote_orders()
    yield
    Panel.data.update(before)


@pytest.mark.parametrize("order", ["shutdown", "revoke", "terminate", "add_consumer", "rate_limit", "pool_restart"])
def test_orders_are_refused_and_counted(order: str) -> None:
    counter = metrics.auth_failures_total.labels(reason="remote_control")
    before = counter._value.get()
    assert "error" in Panel.data[order](None, task_id="x", queue="y")
    assert counter._value.get() == before + 1


@pytest.mark.parametrize("question", ["conf", "report", "memdump", "objgraph"])
def test_questions_that_reveal_more_than_an_operator_needs_are_refused(question: str) -> None:
    assert "error" in Panel.data[question](None)


@pytest.mark.parametrize("asked", ["conf", "heartbeat"])
def test_what_flower_asks_by_itself_counts_as_no_attack(asked: str) -> None:
    counter = metrics.auth_failures_total.labels(reason="remote_control")
    before = counter._value.get()
    if asked in HARMLESS:
        assert Panel.data[asked].__module__ == "celery.worker.control"
    else:
        Panel.data[asked](None)
    assert counter._value.get() == before


def test_flower_does_not_order_workers_to_send_the_events_that_they_send() -> None:
    settings = Settings(_env_file=None, flower_password="a password of some length")
    assert flower_environment(settings)["FLOWER_ENABLE_EVENTS"] == "False"
    assert flower_environment(settings)["FLOWER_MAX_TASKS"] == "1000"


def test_what_flower_looks_at_is_answered() -> None:
    assert set(Panel.data) >= ANSWERED
    for question in ANSWERED:
        assert Panel.meta[question].type == "inspect"
        assert Panel.data[question].__module__ == "celery.worker.control"
