import json
import re
from typing import Any

import pytest
from flask import Flask, request
from prometheus_client import REGISTRY

from observability.context import get_correlation_id
from tests.unit.observability.conftest import Lines
from tests.unit.web.world import World
from web.http.exchange import exchange_of


@pytest.fixture
def app(world: World) -> Flask:
    """The application with two more routes, which Flask answers: requests end alike on either way."""

    @world.app.get("/things/<name>")
    def thing(name: str) -> dict[str, Any]:
        exchange_of(request.environ).annotate(decision="approve", score=0.5)
        exchange_of(request.environ).annotate(model_version="v1")
        return {"name": name, "seen": get_correlation_id()}

    @world.app.get("/broken")
    def broken() -> str:
        raise RuntimeError("card 4111 1111 1111 1111")

    return world.app


def count(method: str, path: str, status: str) -> float:
    labels = {"method": method, "path": path, "status": status}
    return REGISTRY.get_sample_value("fraud_backend_requests_total", labels) or 0.0


def test_the_callers_correlation_id_is_used_and_returned(app: Flask) -> None:
    answer = app.test_client().get("/things/a", headers={"X-Correlation-ID": "order-4711"})
    assert answer.headers["X-Correlation-ID"] == "order-4711"
    assert answer.json == {"name": "a", "seen": "order-4711"}
    assert get_correlation_id() is None


@pytest.mark.parametrize("sent", ["short", "with space in it", "x" * 65])
def test_a_malformed_correlation_id_is_replaced(app: Flask, sent: str) -> None:
    returned = app.test_client().get("/things/a", headers={"X-Correlation-ID": sent}).headers["X-Correlation-ID"]
    assert re.fullmatch(r"[a-p]{32}", returned)


def test_requests_are_counted_by_route_template(app: Flask) -> None:
    before = count("GET", "/things/<name>", "200")
    seconds = {"method": "GET", "path": "/things/<name>"}
    timed = REGISTRY.get_sample_value("request_latency_ms_count", seconds) or 0.0
    for name in "abc":
        app.test_client().get(f"/things/{name}?page=1")
    assert count("GET", "/things/<name>", "200") == before + 3
    assert REGISTRY.get_sample_value("request_latency_ms_count", seconds) == timed + 3
    assert REGISTRY.get_sample_value("fraud_backend_request_latency_seconds_count", seconds) == timed + 3


def test_paths_and_methods_that_a_client_makes_up_are_no_labels(app: Flask) -> None:
    before = count("GET", "(unmatched)", "404"), count("OTHER", "(unmatched)", "405")
    app.test_client().get("/made/up")
    app.test_client().open("/things/a", method="BREW")
    assert count("GET", "(unmatched)", "404") == before[0] + 1
    assert count("OTHER", "(unmatched)", "405") == before[1] + 1


def test_one_line_per_request_holds_the_annotations_of_the_view(app: Flask, log_lines: Lines) -> None:
    headers = {"User-Agent": "client/1.0", "X-Correlation-ID": "order-4711"}
    app.test_client().get("/things/a?card=4111111111111111", headers=headers)
    (line,) = log_lines()
    assert line["duration_ms"] >= 0
    expected = {
        "logger": "access",
        "message": "GET /things/<name> 200",
        "correlation_id": "order-4711",
        "method": "GET",
        "route": "/things/<name>",
        "status": 200,
        "user_agent": "client/1.0",
        "remote": "127.0.0.x",
        "decision": "approve",
        "score": 0.5,
        "model_version": "v1",
    }
    assert {name: line[name] for name in expected} == expected
    assert "4111" not in json.dumps(line)


def test_an_unexpected_error_is_counted_logged_and_answered_with_the_correlation_id(
    app: Flask, log_lines: Lines
) -> None:
    before = count("GET", "/broken", "500")
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert answer.headers["X-Correlation-ID"]
    assert count("GET", "/broken", "500") == before + 1
    error, access = log_lines()
    assert "RuntimeError" in error["exception"]
    assert "4111" not in error["exception"]
    assert error["correlation_id"] == access["correlation_id"] == answer.headers["X-Correlation-ID"]


def test_an_endless_user_agent_is_cut(app: Flask, log_lines: Lines) -> None:
    app.test_client().get("/things/a", headers={"User-Agent": "x" * 5000})
    assert len(log_lines()[0]["user_agent"]) == 256


def test_an_answer_past_flask_ends_like_one_through_it(app: Flask, log_lines: Lines) -> None:
    headers = {"User-Agent": "client/1.0", "X-Correlation-ID": "order-4711"}
    past, through = (app.test_client().get(path, headers=headers) for path in ("/health/live", "/things/a"))
    assert set(past.headers.keys()) == set(through.headers.keys())
    first, second = log_lines()
    assert first["message"] == "GET /health/live 200"
    assert first.keys() == second.keys() - {"decision", "score", "model_version"}
