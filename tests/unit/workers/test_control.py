from typing import Any

import pytest
from celery.worker.control import Panel

from observability import metrics
from workers.control import ANSWERED, refuse_remote_orders


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
def test_what_tells_more_than_an_operator_needs_is_refused(question: str) -> None:
    assert "error" in Panel.data[question](None)


def test_what_flower_looks_at_is_answered() -> None:
    assert set(Panel.data) >= ANSWERED
    for question in ANSWERED:
        assert Panel.meta[question].type == "inspect"
        assert Panel.data[question].__module__ == "celery.worker.control"
