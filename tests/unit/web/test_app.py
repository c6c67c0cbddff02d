import logging
from collections.abc import Callable
from urllib.parse import unquote

import pytest

from security.errors import KeyUnusableError
from security.roles import Role
from settings import Settings
from tests.unit.web.world import World
from web.app import create_app


def as_sent(target: str) -> dict[str, str]:
    """Returns the environment that gunicorn makes of a request target; the test client would tidy it first."""
    path, _, query = target.partition("?")
    return {"RAW_URI": target, "PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": query}


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/predictions",
        "/predictions/score/",
        "//predictions/score",
        "/predictions/a/b",
        "/predictions/%2e%2e/score",
        "/predictions/../predictions/score",
        "/./predictions/score",
        "/predictions//score",
        "/predictions%2Fscore",
        "/%70redictions/score",
        "/predictions/scor%65",
        "/predictions/score#now",
        "/PREDICTIONS/score",
        "/admin/models/v1/delete",
        "/static/docs.js",
    ],
)
def test_an_unknown_route_is_a_problem_and_never_a_redirect(world: World, path: str) -> None:
    for method in ("GET", "POST"):
        answer = world.client.open("/", method=method, environ_overrides=as_sent(path))
        assert answer.status_code == 404, method
        assert answer.content_type == "application/problem+json"
        assert answer.get_json()["type"] == "/docs#problem-route-not-found"


ADMIN_PATHS = [
    "//admin/queues",
    "///admin/queues",
    "/admin//queues",
    "/admin/queues/",
    "/admin%2Fqueues",
    "/admin%2fqueues",
    "/%61dmin/queues",
    "/admin/%71ueues",
    "/health/../admin/queues",
    "/health/%2e%2e/admin/queues",
    "/admin/./queues",
    "/admin/queues/.",
    "/admin\\queues",
    "/admin/queues;x",
    "/admin/queues#x",
    "/Admin/queues",
    "http://localhost//admin/queues",
    "http://localhost/%61dmin/queues",
    "admin/queues",
]


@pytest.mark.parametrize("target", ADMIN_PATHS)
def test_another_spelling_of_a_path_reaches_no_route(world: World, target: str) -> None:
    """Not even for an administrator, so that a proxy's rule about `/admin/` cannot be got around."""
    headers = world.headers("GET", target, role=Role.ADMIN)
    answer = world.client.get("/", headers=headers, environ_overrides=as_sent(target))
    assert (answer.status_code, answer.get_json()["type"]) == (404, "/docs#problem-route-not-found")


@pytest.mark.parametrize("target", ["/admin/queues", "/admin/queues?x=1", "http://localhost/admin/queues"])
def test_the_one_spelling_reaches_it(world: World, target: str) -> None:
    headers = world.headers("GET", target, role=Role.ADMIN)
    answer = world.client.get("/", headers=headers, environ_overrides=as_sent(target))
    assert answer.status_code == 200


def test_an_id_may_be_percent_encoded_where_it_must_not_be_otherwise(world: World) -> None:
    for target, status in (("/predictions/a%3A1", "not-found"), ("/predictions/%61%3A1", "route-not-found")):
        headers = world.headers("GET", target, role=Role.READ)
        answer = world.client.get("/", headers=headers, environ_overrides=as_sent(target))
        assert (answer.status_code, answer.get_json()["type"]) == (404, f"/docs#problem-{status}")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/predictions/score/", "/predictions/score"),
        ("//admin/queues", "/admin/queues"),
        ("/explanations/t-1/", "/explanations/{transaction_id}"),
        ("/Predictions/Score", "/predictions/score"),
        ("/docs/", "/docs"),
    ],
)
def test_a_misspelt_path_is_answered_with_the_right_one(world: World, path: str, meant: str) -> None:
    answer = world.client.post("/", environ_overrides=as_sent(path))
    assert answer.status_code == 404
    assert answer.get_json()["detail"].endswith(f" A path has one spelling: {meant}, without a slash at its end.")


def test_an_unknown_path_suggests_nothing(world: World) -> None:
    assert world.client.get("/nope/nope").get_json()["detail"] == "The API has no such route."


def test_a_path_of_its_own_is_no_id(world: World) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = world.client.open("/predictions/score", method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert world.client.open("/admin/queues", method="POST").headers["Allow"] == "GET, HEAD"


def test_a_wrong_method_is_a_problem_that_names_the_right_one(world: World) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = world.client.open("/labels", method=method)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"
        assert answer.content_type == "application/problem+json"


def test_an_unexpected_error_is_logged_and_answered_without_detail(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    world.monitor.workers = explode  # type: ignore[method-assign,assignment]
    with caplog.at_level(logging.ERROR):
        answer = world.get("/admin/queues", role=Role.ADMIN)
    assert answer.status_code == 500
    assert answer.get_json()["type"] == "/docs#problem-internal"
    assert "secret" not in answer.text
    assert "the secret of the house" in caplog.text


def test_the_problem_carries_the_correlation_id_of_the_request(world: World) -> None:
    answer = world.client.get("/nope", headers={"X-Correlation-ID": "order-4711"})
    assert answer.get_json()["correlation_id"] == "order-4711"
    assert answer.headers["X-Correlation-ID"] == "order-4711"
    replaced = world.client.get("/nope", headers={"X-Correlation-ID": "no\tgood"})
    assert replaced.get_json()["correlation_id"] == replaced.headers["X-Correlation-ID"] != "no\tgood"


@pytest.mark.parametrize("path", ["/health/live", "/nope", "/openapi.json", "/docs", "/docs/docs.js"])
def test_every_answer_carries_the_security_headers(world: World, path: str) -> None:
    headers = world.client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in headers


def test_hsts_is_sent_where_the_client_speaks_tls(make_world: Callable[..., World]) -> None:
    answer = make_world().client.get("/health/live", base_url="https://localhost")
    assert answer.headers["Strict-Transport-Security"]
    behind_proxy = make_world(changes={"tls_terminated_by_proxy": True})
    assert behind_proxy.client.get("/health/live").headers["Strict-Transport-Security"]


def test_building_the_application_connects_to_nothing(settings: Settings) -> None:
    unreachable = {
        "redis_url": "redis://127.0.0.1:1/0",
        "mongo_url": "mongodb://127.0.0.1:1/",
        "kafka_bootstrap": "127.0.0.1:1",
    }
    app = create_app(settings.model_copy(update=unreachable))
    assert app.test_client().get("/health/live").status_code == 200


def test_refuses_to_start_with_a_weak_key(settings: Settings) -> None:
    with pytest.raises(KeyUnusableError):
        create_app(settings.model_copy(update={"hmac_key": None}))


def test_a_head_request_is_checked_like_its_get(world: World) -> None:
    headers = world.headers("GET", "/predictions/t-1", role=Role.READ)
    assert world.client.head("/predictions/t-1", headers=headers).status_code == 401
    assert world.client.head("/health/live").status_code == 200


def test_two_applications_of_one_process_keep_to_their_own_services(make_world: Callable[..., World]) -> None:
    first, second = make_world(), make_world()
    first.safe_mode.enable("only here", "test")
    assert first.post("/predictions/score", first.transaction()).status_code == 503
    assert second.post("/predictions/score", second.transaction()).status_code == 200
