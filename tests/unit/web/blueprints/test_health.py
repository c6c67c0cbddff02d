from dataclasses import replace

import pytest

from tasks.upkeep.queue_status import ShardStatus, WorkerStatus
from tests.unit.web.world import World
from web.dispatch.local_scoring import LocalScoring
from web.http.schemas.administration import LivenessAnswer, ReadinessAnswer
from web.protection.recent_look import RecentLook
from web.services import ScoringServers, provide_services


def failed(world: World) -> list[str]:
    answer = world.client.get("/health/ready")
    body = answer.get_json()
    ReadinessAnswer.model_validate(body)
    bad = [name for name, check in body["checks"].items() if not check["ok"]]
    assert answer.status_code == (503 if bad else 200)
    assert body["status"] == ("not_ready" if bad else "ready")
    return bad


def test_a_process_that_answers_is_alive_whatever_else_is_down(world: World) -> None:
    world.monitor.reachable = False
    answer = world.client.get("/health/live")
    assert answer.status_code == 200
    LivenessAnswer.model_validate(answer.get_json())


def test_ready_when_everything_that_scoring_needs_is_there(world: World) -> None:
    assert failed(world) == []


def test_not_ready_without_a_broker(world: World) -> None:
    world.monitor.reachable = False
    assert failed(world) == ["broker", "scoring_worker", "model"]


def test_signs_of_life_that_cannot_be_read_are_named_and_are_not_the_brokers_fault(world: World) -> None:
    world.monitor.trouble = "Redis is unavailable: 10.0.0.7:6379"  # what the error says is not for everybody
    assert failed(world) == ["scoring_worker", "model"]
    checks = world.client.get("/health/ready").get_json()["checks"]
    assert checks["scoring_worker"]["detail"] == checks["model"]["detail"]
    assert "signs of life in Redis cannot be read" in checks["model"]["detail"]
    assert "10.0.0.7" not in str(checks)
    world.monitor.trouble = None
    provide_services(world.app, replace(world.services, readiness=RecentLook()))
    assert failed(world) == []


def test_not_ready_without_a_scoring_worker(world: World) -> None:
    world.monitor.live = [WorkerStatus("explain@test", "explain", None, 1.0)]
    assert failed(world) == ["scoring_worker", "model"]


def test_not_ready_before_a_model_is_loaded(world: World) -> None:
    world.monitor.live = [WorkerStatus("score@test", "score", None, 1.0)]
    assert failed(world) == ["model"]


def test_not_ready_in_safe_mode_and_the_reason_stays_inside(world: World) -> None:
    world.safe_mode.enable("manifest forged", "score@host")
    assert failed(world) == ["safe_mode"]
    assert "forged" not in world.client.get("/health/ready").text


def test_a_process_that_scores_by_itself_is_its_own_scoring_worker(world: World) -> None:
    versions: list[str | None] = [None]
    own = LocalScoring(refresh=lambda: None, version=lambda: versions[0], poll_seconds=1)
    provide_services(world.app, replace(world.services, local_scoring=own))
    world.monitor.live = []
    assert failed(world) == ["model"]
    versions[0] = "v7"
    assert failed(world) == []
    checks = world.client.get("/health/ready").get_json()["checks"]
    assert (checks["scoring_worker"]["detail"], checks["model"]["detail"]) == ("this process", "v7")


def test_one_shard_that_can_score_is_enough(world: World) -> None:
    world.monitor.behind = [ShardStatus("s1", reachable=False), ShardStatus("s2", reachable=True)]
    world.monitor.live = [
        WorkerStatus("a", "score", "v1", 1.0, "s1"),
        WorkerStatus("b", "score", "v2", 1.0, "s2"),
        WorkerStatus("c", "score", "v3", 1.0),
    ]
    assert failed(world) == []
    checks = world.client.get("/health/ready").get_json()["checks"]
    assert checks["broker"]["detail"] == "1 of 2 shards reachable, not s1"
    assert (checks["scoring_worker"]["detail"], checks["model"]["detail"]) == ("1 alive", "v2")


def test_not_ready_when_no_shard_can_score(world: World) -> None:
    world.monitor.behind = [ShardStatus("s1", reachable=False), ShardStatus("s2", reachable=True)]
    world.monitor.live = [WorkerStatus("a", "score", "v1", 1.0, "s1")]
    assert failed(world) == ["scoring_worker", "model"]
    world.monitor.behind = [ShardStatus("s1", reachable=False)]
    assert failed(world) == ["broker", "scoring_worker", "model"]


def test_a_part_of_the_histories_that_does_not_answer_is_told_and_stops_nobody(world: World) -> None:
    detail = "5 of 16 parts of the feature store do not answer"
    world.monitor.live = [
        WorkerStatus("a", "score", "v1", 1.0, histories=detail),
        WorkerStatus("b", "score", "v1", 1.0),
    ]
    assert failed(world) == []
    assert world.client.get("/health/ready").get_json()["checks"]["histories"] == {"ok": True, "detail": detail}


def test_not_ready_while_no_worker_reads_any_history(world: World) -> None:
    blind = WorkerStatus("a", "score", "v1", 1.0, histories="the feature store does not answer", is_blind=True)
    world.monitor.live = [blind]
    assert failed(world) == ["histories"]
    world.monitor.live = [blind, WorkerStatus("b", "score", "v1", 1.0)]
    assert failed(world) == []


def test_readiness_says_what_the_process_runs_for(world: World) -> None:
    assert world.client.get("/health/ready").get_json()["environment"] == "development"


def test_a_flood_of_questions_asks_redis_once_and_a_later_one_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [0.0], []
    check_writes = world.monitor.check_writes
    monkeypatch.setattr(world.monitor, "check_writes", lambda: asked.append(now[0]) or check_writes())
    readiness: RecentLook[ScoringServers | None] = RecentLook(clock=lambda: now[0])
    provide_services(world.app, replace(world.services, readiness=readiness))
    for _ in range(50):
        assert failed(world) == []
    world.monitor.reachable = False
    now[0] = 1.0
    for _ in range(50):
        assert failed(world) == ["broker", "scoring_worker", "model"]
    world.monitor.reachable = True
    now[0] = 2.0
    assert failed(world) == []
    assert asked == [0.0, 1.0, 2.0]
