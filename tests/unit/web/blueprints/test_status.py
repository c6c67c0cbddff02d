import dataclasses
from http import HTTPStatus
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ml.stores.outbox.outbox import Lag
from observability.metrics import circuit_breaker_state
from security.revocations.revocation import Revocation, RevokedKind
from security.roles import Role
from tasks.upkeep.queue_status import ShardStatus, WorkerStatus
from tests.unit.web.world import World
from web.status.memory import StatusMemory


@pytest.fixture(autouse=True)
def _begin_here(world: World) -> None:
    """Keeps what other tests of this process answered out of the window, and their breakers out of the gauge."""
    circuit_breaker_state.clear()
    look(world)
    forget_the_last_look(world)


def forget_the_last_look(world: World) -> None:
    object.__setattr__(world.services, "status", StatusMemory(world.services.status.samples))


def look(world: World) -> dict[str, Any]:
    """Returns the status as an administrator reads it now, not as somebody saw it a second ago."""
    forget_the_last_look(world)
    answer = world.client.get("/admin/status", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
    assert answer.status_code == HTTPStatus.OK
    return answer.get_json()


def rows(status: dict[str, Any], title: str) -> dict[str, tuple[str, str]]:
    """Returns value and level of each line of a section."""
    section = next(section for section in status["sections"] if section["title"] == title)
    return {row["name"]: (row["value"], row["level"]) for row in section["rows"]}


def fully_staffed(world: World) -> None:
    queues = ("score", "explain", "publish", "labels", "retrain")
    world.monitor.live[:] = [WorkerStatus(f"{q}@a", q, "v1" if q == "score" else None, 1.0) for q in queues]


def link(world: World) -> str:
    answer = world.post("/admin/status/links", b"", role=Role.ADMIN, content_type=None)
    path = answer.get_json()["path"]
    assert path.startswith("/status/sign-in#")
    return path.partition("#")[2]


def open_with(world: World, text: str) -> TestResponse:
    return world.client.post("/status/session", json={"link": text})


def test_all_is_well_when_everything_is_there(world: World) -> None:
    fully_staffed(world)
    status = look(world)
    assert (status["level"], status["verdict"], status["findings"]) == ("ok", "All is well.", [])
    assert rows(status, "Queues")["score"] == ("3 waiting, oldest 0.5 s", "ok")


def test_without_redis_the_page_says_so_and_is_no_error(world: World) -> None:
    world.monitor.reachable = False
    status = look(world)
    assert status["level"] == "bad"
    assert status["findings"][0].startswith("Redis does not answer")
    assert rows(status, "Workers") == {"workers": ("cannot be seen", "bad")}


def test_safe_mode_stands_first_with_its_reason(world: World) -> None:
    fully_staffed(world)
    world.safe_mode.enable("artifact_forged", "guard")
    status = look(world)
    assert status["level"] == "bad"
    assert "by guard: artifact_forged" in status["findings"][0]


@pytest.mark.parametrize(
    ("missing", "level", "sentence"),
    [
        ("score", "bad", "No score worker is alive: nothing is scored."),
        ("publish", "warn", "No publish worker is alive."),
    ],
)
def test_a_kind_of_worker_that_is_missing_is_named(world: World, missing: str, level: str, sentence: str) -> None:
    fully_staffed(world)
    world.monitor.live[:] = [worker for worker in world.monitor.live if worker.queue != missing]
    status = look(world)
    assert (status["level"], status["findings"]) == (level, [sentence])


def test_score_workers_without_a_model_or_with_different_ones_are_named(world: World) -> None:
    fully_staffed(world)
    world.monitor.live.append(WorkerStatus("score@b", "score", "v2", 1.0))
    assert look(world)["findings"] == ["Score workers serve different models: v1, v2."]
    world.monitor.live[:] = [dataclasses.replace(worker, model_version=None) for worker in world.monitor.live]
    assert look(world)["findings"] == ["No score worker has a model loaded: nothing is scored."]


def test_late_entries_and_dead_letters_are_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fully_staffed(world)
    lags = {"explain": Lag(1204, 200.0, 0), "publish": Lag(0, 0.0, 2), "labels": Lag(5, 59.0, 0)}
    monkeypatch.setattr(world.monitor, "lags", lambda: lags)
    late, dead = look(world)["findings"]
    assert late.startswith("explain: the oldest of 1,204 entries has waited 3 min; MongoDB or the explain worker")
    assert dead.startswith("publish has 2 dead letters")


def test_a_shard_that_is_away_is_named_and_all_of_them_stop_scoring(world: World) -> None:
    fully_staffed(world)
    world.monitor.behind = [ShardStatus("a", reachable=True), ShardStatus("b", reachable=False)]
    assert look(world)["findings"] == ["Shard b does not answer."]
    world.monitor.behind = [ShardStatus("b", reachable=False)]
    assert look(world)["level"] == "bad"


def test_drift_and_decisions_come_from_the_workers_signs_of_life(world: World) -> None:
    fully_staffed(world)
    figures = {"score": {"approve": 90.0, "decline": 10.0}, "retrain": {"psi_score": 0.3, "psi_worst_feature": 0.1}}
    world.monitor.live[:] = [
        dataclasses.replace(worker, figures=figures.get(worker.queue, {})) for worker in world.monitor.live
    ]
    first = look(world)
    assert first["findings"] == ["Drift: PSI of the scores is 0.30, above 0.25."]
    assert rows(first, "Model")["drift of the worst feature"] == ("PSI 0.100", "ok")
    figures["score"]["approve"] = 92.0
    assert rows(look(world), "Traffic")["decision approve"][0] in {"2 (100.0%)", "92 (90.2%)"}


def test_scored_requests_are_counted_with_their_latency(world: World) -> None:
    before = look(world)
    assert rows(before, "Traffic")["scoring requests"]
    assert world.post("/predictions/score", world.transaction()).status_code == HTTPStatus.OK
    assert rows(look(world), "Traffic")["latency p95"][0].endswith(" ms")


def test_many_lookers_share_one_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    memory = StatusMemory(clock=lambda: 0.0)
    object.__setattr__(world.services, "status", memory)
    seen = world.monitor.workers
    monkeypatch.setattr(world.monitor, "workers", lambda: looks.append(1) or seen())
    for _ in range(5):
        world.client.get("/admin/status", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
    assert len(looks) == 1


def test_a_link_opens_the_page_once_and_nothing_else(world: World) -> None:
    text = link(world)
    opened = open_with(world, text)
    assert opened.status_code == HTTPStatus.OK
    cookie = opened.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/status"):
        assert attribute in cookie
    page = world.client.get("/status")
    assert (page.status_code, page.content_type) == (HTTPStatus.OK, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert world.client.get("/admin/status").status_code == HTTPStatus.UNAUTHORIZED
    again = open_with(world, text)
    assert again.status_code == HTTPStatus.FORBIDDEN
    assert "ops status --open" in again.get_json()["detail"]


def test_a_browser_without_a_cookie_is_led_to_the_way_in(world: World) -> None:
    for cookie in ("", "shrike_status=forged", "shrike_status=a.b", "shrike_status=é"):
        answer = world.client.get("/status", headers={"Cookie": cookie})
        assert (answer.status_code, answer.headers["Location"]) == (HTTPStatus.SEE_OTHER, "/status/sign-in")
    assert "python -m ops status --open" in world.client.get("/status/sign-in").text


def test_a_link_is_no_cookie(world: World) -> None:
    answer = world.client.get("/status", headers={"Cookie": f"shrike_status={link(world)}"})
    assert answer.status_code == HTTPStatus.SEE_OTHER


def test_an_administrators_token_opens_the_page_and_another_role_does_not(world: World) -> None:
    for role, status in ((Role.ADMIN, HTTPStatus.OK), (Role.READ, HTTPStatus.FORBIDDEN)):
        headers = {"Authorization": f"Bearer {world.token(role)}"}
        assert world.client.get("/status", headers=headers).status_code == status
        assert world.client.get("/admin/status", headers=headers).status_code == status


def test_a_revoked_administrator_loses_the_open_page(world: World) -> None:
    open_with(world, link(world))
    assert world.client.get("/status").status_code == HTTPStatus.OK
    world.revocations.add(Revocation(RevokedKind.SUBJECT, "client-1", 2**40, 2**41), now=1)
    assert world.client.get("/status").status_code == HTTPStatus.SEE_OTHER


def test_while_redis_is_away_a_link_opens_the_page_once(world: World) -> None:
    text = link(world)
    world.used_links.is_away = True
    assert open_with(world, text).status_code == HTTPStatus.OK
    assert open_with(world, text).status_code == HTTPStatus.FORBIDDEN


def test_what_is_shown_is_escaped(world: World) -> None:
    world.safe_mode.enable("<script>alert(1)</script>", "guard")
    page = world.client.get("/status", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"}).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("name", ["status.css", "status.js", "sign-in.js"])
def test_the_pages_files_are_served(world: World, name: str) -> None:
    assert world.client.get(f"/status/{name}").status_code == HTTPStatus.OK
    assert world.client.get("/status/../wiring.py").status_code == HTTPStatus.NOT_FOUND
