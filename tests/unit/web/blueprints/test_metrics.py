import re

import jwt

from observability import metrics as gauges
from security.roles import Role
from tasks.upkeep.queue_status import QueueStatus, ShardStatus
from tests.unit.web.world import World
from web.routing.operations import endpoints_of


def test_an_administrator_reads_the_exposition_without_a_signature(world: World) -> None:
    world.client.get("/health/live")
    answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {world.token(Role.ADMIN)}"})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert 'fraud_backend_requests_total{method="GET",path="/health/live",status="200"}' in answer.text
    assert 'safe_mode_state{service="web"} 0.0' in answer.text


def test_a_scraper_s_token_opens_the_exposition_which_says_when_it_expires(world: World) -> None:
    token = world.token(Role.METRICS, lifetime_seconds=86_400)
    answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    expiry = jwt.decode(token, options={"verify_signature": False})["exp"]
    (line,) = re.findall(r"^scrape_credentials_expiry_timestamp_seconds (\S+)$", answer.text, flags=re.MULTILINE)
    assert float(line) == expiry


def test_a_scraper_s_token_opens_no_other_route(world: World) -> None:
    others = [endpoint.declared for endpoint in endpoints_of(world.client.application) if endpoint.declared.role]
    for declared in others:
        path = declared.path.replace("{", "").replace("}", "")
        headers = {"Authorization": f"Bearer {world.token(Role.METRICS)}"}
        answer = world.client.open(path, method=declared.method, headers=headers)
        assert answer.status_code == (200 if declared.path == "/metrics" else 403), declared.path
    assert len(others) > 10


def test_nobody_else_does(world: World) -> None:
    assert world.client.get("/metrics").status_code == 401
    for role in (Role.SERVICE, Role.READ):
        answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {world.token(role)}"})
        assert answer.status_code == 403


def test_the_document_names_both_roles(world: World) -> None:
    described = world.client.get("/openapi.json").get_json()["paths"]["/metrics"]["get"]
    assert described["security"] == [{"bearer": ["metrics"]}, {"bearer": ["admin"]}]
    assert described["x-role"] == "metrics or admin"


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
