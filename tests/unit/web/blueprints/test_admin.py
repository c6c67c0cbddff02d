import pytest
from prometheus_client import REGISTRY

from ml.stores.outbox import Lag
from security.roles import Role
from tasks.queues import QueueState, ShardState
from tests.unit.web.world import World
from web.schemas import ModelsAnswer, QueuesAnswer, SafeModeAnswer


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


def test_switching_off_takes_no_body(world: World) -> None:
    assert world.post("/admin/safe-mode/disable", {"reason": "x"}, role=Role.ADMIN).status_code == 400


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
    depth = QueueState("score", 7, 0.1, 2)
    world.monitor.behind = [
        ShardState("s1", reachable=True, queues=[depth], outbox={"explain": Lag(5, 1.5, 0)}),
        ShardState("s2", reachable=False),
    ]
    body = world.get("/admin/queues", role=Role.ADMIN).get_json()
    QueuesAnswer.model_validate(body)
    first, second = body["shards"]
    assert (first["queues"][0]["depth"], first["outbox"]["explain"]["entries"]) == (7, 5)
    assert second == {"shard": "s2", "reachable": False, "queues": [], "outbox": {}}


def test_queues_that_cannot_be_read_are_unavailable(world: World) -> None:
    world.monitor.reachable = False
    assert world.get("/admin/queues", role=Role.ADMIN).status_code == 503
