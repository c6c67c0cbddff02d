from observability import metrics as gauges
from security.roles import Role
from tasks.upkeep.queue_status import QueueStatus, ShardStatus
from tests.unit.web.world import World


def test_an_administrator_reads_the_exposition_without_a_signature(world: World) -> None:
    world.client.get("/health/live")
    answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert 'fraud_backend_requests_total{method="GET",path="/health/live",status="200"}' in answer.text
    assert 'safe_mode_state{service="web"} 0.0' in answer.text


def test_nobody_else_does(world: World) -> None:
    assert world.client.get("/metrics").status_code == 401
    service = {"Authorization": f"Bearer {world.token(Role.SERVICE)}"}
    assert world.client.get("/metrics", headers=service).status_code == 403


def test_a_path_with_an_id_is_counted_under_its_template(world: World) -> None:
    world.get("/predictions/t-secret")
    answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
    assert "/predictions/<transaction_id>" in answer.text
    assert "t-secret" not in answer.text


def test_the_queues_are_measured_at_the_scrape_and_keep_their_last_length_without_redis(world: World) -> None:
    for is_reachable in (True, False):
        world.monitor.reachable = is_reachable
        answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
        assert 'celery_queue_length{queue="score"} 3.0' in answer.text


def test_the_queues_of_shards_are_measured_each_by_its_shard(world: World) -> None:
    world.monitor.behind = [
        ShardStatus(
            "s1", reachable=True, queues=[QueueStatus("score", 7, None, 0), QueueStatus("publish", 1, None, 0)]
        ),
        ShardStatus("s2", reachable=False),
    ]
    gauges.celery_queue_length.clear()
    answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
    shown = [line for line in answer.text.splitlines() if line.startswith("celery_queue_length{")]
    assert shown == ['celery_queue_length{queue="score-s1"} 7.0', 'celery_queue_length{queue="publish-s1"} 1.0']
