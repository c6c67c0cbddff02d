import pytest
from prometheus_client import REGISTRY
from werkzeug.test import TestResponse

from ml.features.schema import schema_hash
from ml.registry.artifacts import package
from ml.registry.artifacts.manifest import MANIFEST_NAME, REQUIRED_FILES
from ml.stores.outbox.outbox import Lag
from security.roles import Role
from tasks.upkeep.queue_status import QueueStatus, ShardStatus
from tests.unit.web.world import ARTIFACT_SIGNER, World
from web.http.schemas.administration import AliasesAnswer, ModelsAnswer, QueuesAnswer, SafeModeAnswer
from web.http.schemas.decisions import ProblemAnswer


def gauge() -> float | None:
    return REGISTRY.get_sample_value("safe_mode_state", {"service": "web"})


def switch(world: World, way: str, body: object = b"") -> object:
    answer = world.post(f"/admin/safe-mode/{way}", body, role=Role.ADMIN)
    assert answer.status_code == 200, answer.text
    SafeModeAnswer.model_validate(answer.get_json())
    return answer.get_json()


def test_safe_mode_is_switched_on_with_a_reason_and_off_again(world: World) -> None:
    assert world.get("/admin/safe-mode", role=Role.ADMIN).get_json()["enabled"] is False
    on = switch(world, "enable", {"reason": "model under investigation"})
    assert on["enabled"] is True  # type: ignore[index]
    assert (on["reason"], on["by"]) == ("model under investigation", "client-1")  # type: ignore[index]
    assert gauge() == 1
    assert world.get("/admin/safe-mode", role=Role.ADMIN).get_json() == on
    assert world.post("/predictions/score", world.transaction()).status_code == 503
    switch(world, "disable")
    assert gauge() == 0
    assert world.post("/predictions/score", world.transaction()).status_code == 200


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": 1}])
def test_safe_mode_needs_a_reason(world: World, body: object) -> None:
    answer = world.post("/admin/safe-mode/enable", body, role=Role.ADMIN)
    assert answer.status_code == 422
    assert world.safe_mode.read().enabled is False


@pytest.mark.parametrize("reason", ["a\x1b[2J\nfake", "two\nlines", "\x9b2J", "right\u202eleft"])
def test_a_reason_that_would_forge_lines_where_it_is_read_is_refused(world: World, reason: str) -> None:
    (version,) = add_versions(world, 1)
    answers = [world.post("/admin/safe-mode/enable", {"reason": reason}, role=Role.ADMIN)]
    answers += [change(world, version, way, reason) for way in ("promote", "rollback")]
    for answer in answers:
        assert answer.status_code == 422
        assert "one line of printable characters" in answer.text
    assert world.safe_mode.read().enabled is False


def test_switching_off_takes_no_body(world: World) -> None:
    assert world.post("/admin/safe-mode/disable", {"reason": "x"}, role=Role.ADMIN).status_code == 400


def test_safe_mode_stays_on_while_the_self_test_fails(world: World) -> None:
    switch(world, "enable", {"reason": "model under investigation"})
    world.self_test.found = ["score-1@a: the hash does not fit", "score-2@a did not answer"]
    answer = world.post("/admin/safe-mode/disable", b"", role=Role.ADMIN)
    assert answer.status_code == 409
    body = answer.get_json()
    ProblemAnswer.model_validate(body)
    assert body["type"] == "/docs#problem-self-test-failed"
    assert body["failures"] == world.self_test.found
    assert world.safe_mode.read().reason == "model under investigation"
    assert world.post("/predictions/score", world.transaction()).status_code == 503
    (event, _) = world.safe_mode.events(2)
    assert (event.action, event.by) == ("kept", "client-1")
    assert "score-2@a did not answer" in event.reason
    world.self_test.found = []
    switch(world, "disable")
    assert world.post("/predictions/score", world.transaction()).status_code == 200


def add_versions(world: World, *numbers: int) -> list[str]:
    for number in numbers:
        package(
            dict.fromkeys(REQUIRED_FILES, b"x"),
            version=version(number),
            directory=world.settings.models_path,
            keys=ARTIFACT_SIGNER,
            feature_schema_hash=schema_hash(),
            metrics={},
            code_version="test",
        )
    return [version(number) for number in numbers]


def version(number: int) -> str:
    return f"v20261123T{number:06d}-000000"


def change(world: World, of: str, way: str, reason: str = "because") -> TestResponse:
    return world.post(f"/admin/models/{of}/{way}", {"reason": reason}, role=Role.ADMIN)


def test_versions_are_promoted_and_rolled_back_and_both_are_audited(world: World) -> None:
    first, second = add_versions(world, 1, 2)
    for each in (first, second):
        answer = change(world, each, "promote")
        assert answer.status_code == 200, answer.text
        AliasesAnswer.model_validate(answer.get_json())
        assert answer.get_json()["champion"] == each
    answer = change(world, first, "rollback", "it declines everybody")
    assert answer.get_json() == {"champion": first, "challenger": None}
    assert world.get("/admin/models", role=Role.ADMIN).get_json()["champion"] == first
    event = next(event for event in world.audit.latest(5) if event.action == "models.rolled_back")
    assert (event.by, event.reason) == ("client-1", "it declines everybody")


@pytest.mark.parametrize("way", ["promote", "rollback"])
def test_changing_models_is_for_administrators_with_a_reason(world: World, way: str) -> None:
    (first,) = add_versions(world, 1)
    path = f"/admin/models/{first}/{way}"
    for role in (Role.SERVICE, Role.READ):
        assert world.post(path, {"reason": "x"}, role=role).status_code == 403
    for body in ({}, {"reason": " "}, {"reason": "x", "force": True}):
        assert world.post(path, body, role=Role.ADMIN).status_code == 422
    assert world.services.registry.champion() is None


def test_versions_that_are_unknown_older_or_broken_are_refused(world: World) -> None:
    first, second, third = add_versions(world, 1, 2, 3)
    change(world, second, "promote")
    assert change(world, version(9), "promote").status_code == 404
    assert change(world, "latest", "promote").status_code == 422
    older = change(world, first, "promote")
    assert (older.status_code, older.get_json()["type"]) == (409, "/docs#problem-model-refused")
    assert change(world, third, "rollback").status_code == 404
    manifest = world.settings.models_path / third / MANIFEST_NAME
    manifest.write_bytes(manifest.read_bytes() + b" ")
    broken = change(world, third, "promote")
    assert broken.status_code == 409
    assert "signature" in broken.get_json()["detail"]
    assert world.services.registry.champion() == second


def test_the_registry_may_be_empty(world: World) -> None:
    answer = world.get("/admin/models", role=Role.ADMIN)
    assert answer.get_json() == {"champion": None, "challenger": None, "versions": []}
    ModelsAnswer.model_validate(answer.get_json())


def test_a_broken_registry_is_unavailable(world: World) -> None:
    world.settings.models_path.mkdir(parents=True)
    (world.settings.models_path / "registry.json").write_text("{")
    assert world.get("/admin/models", role=Role.ADMIN).status_code == 503


def test_queues_streams_and_workers_are_shown(world: World) -> None:
    body = world.get("/admin/queues", role=Role.ADMIN).get_json()
    QueuesAnswer.model_validate(body)
    assert body["queues"] == [{"queue": "score", "depth": 3, "oldest_seconds": 0.5, "consumers": 1}]
    assert body["outbox"]["explain"] == {"entries": 2, "oldest_seconds": 0.25, "dead_letters": 0}
    assert body["workers"][0]["model_version"] == "v1"


def test_each_shard_shows_its_queues_or_that_it_is_silent(world: World) -> None:
    depth = QueueStatus("score", 7, 0.1, 2)
    world.monitor.behind = [
        ShardStatus("s1", reachable=True, queues=[depth], outbox={"explain": Lag(5, 1.5, 0)}),
        ShardStatus("s2", reachable=False),
    ]
    body = world.get("/admin/queues", role=Role.ADMIN).get_json()
    QueuesAnswer.model_validate(body)
    first, second = body["shards"]
    assert (first["queues"][0]["depth"], first["outbox"]["explain"]["entries"]) == (7, 5)
    assert second == {"shard": "s2", "reachable": False, "queues": [], "outbox": {}}


def test_queues_that_cannot_be_read_are_unavailable(world: World) -> None:
    world.monitor.reachable = False
    assert world.get("/admin/queues", role=Role.ADMIN).status_code == 503
