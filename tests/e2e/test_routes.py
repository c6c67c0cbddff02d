import base64
import http.client
import json
import math
import os
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from ops.client import Answer, Client
from security.roles import Role
from tests.e2e.installation import Stack, wait_for
from tests.e2e.transactions import transaction
from web.http.schemas.explanations import ExplanationAnswer


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with stack.client() as client:
        yield client


@pytest.fixture
def admin(stack: Stack) -> Iterator[Client]:
    with stack.client(Role.ADMIN) as admin:
        yield admin


def scored(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/predictions/score", transaction(**fields))
    assert answer.is_ok, answer.body
    body: dict[str, Any] = answer.json()
    return body


def plain_get(url: str, path: str) -> Answer:
    """Asks without token and signature."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
    connection.close()
    return answer


def test_a_transaction_gets_a_decision_with_everything_behind_it(client: Client) -> None:
    sent = transaction()
    body = client.post("/predictions/score", sent).json()
    assert list(body) == [
        "transaction_id", "decision", "score", "threshold", "breakdown", "reasons", "model_version", "scored_at",
        "correlation_id", "timings",
    ]  # fmt: skip
    assert body["transaction_id"] == sent["transaction_id"]
    assert body["decision"] in {"approve", "review", "decline"}
    assert 0 <= body["score"] <= 1
    assert body["threshold"].keys() == {"review", "decline"}
    assert body["breakdown"].keys() == {"tabular", "anomaly", "autoencoder", "sequence"}
    assert body["timings"].keys() == {"queue_ms", "features_ms", "model_ms", "total_ms"}
    assert all(reason.keys() == {"code", "feature", "value", "contribution", "text"} for reason in body["reasons"])


def test_the_same_transaction_again_gets_the_same_decision(client: Client) -> None:
    sent = transaction()
    first, second = (client.post("/predictions/score", sent).json() for _ in range(2))
    for own in ("correlation_id", "timings"):
        first.pop(own), second.pop(own)
    assert first == second


def test_the_same_id_with_another_body_is_a_conflict(client: Client) -> None:
    sent = transaction()
    client.post("/predictions/score", sent)
    assert client.post("/predictions/score", sent | {"amount": "43.00"}).status == 409


def test_the_stored_decision_is_the_answered_one(client: Client) -> None:
    answered = scored(client)
    stored = client.get(f"/predictions/{answered['transaction_id']}")
    assert stored.is_ok
    assert {key: stored.json()[key] for key in ("decision", "score", "reasons", "model_version", "scored_at")} == {
        key: answered[key] for key in ("decision", "score", "reasons", "model_version", "scored_at")
    }


def test_the_explanation_arrives_and_names_its_request(client: Client) -> None:
    answered = scored(client)
    path = f"/explanations/{answered['transaction_id']}"
    wait_for(lambda: client.get(path).is_ok)
    record = client.get(path).json()
    assert record["score"] == answered["score"]
    assert record["correlation_id"] == answered["correlation_id"]
    assert record["customer_id"] == "C000001"
    explanation = ExplanationAnswer.model_validate(record).explanation
    assert explanation is not None
    assert 1 / (1 + math.exp(-explanation.log_odds)) == pytest.approx(answered["score"], abs=1e-6)
    strongest = {part.code: part for part in reversed(explanation.contributions) if part.contribution > 0}
    for reason in answered["reasons"]:
        assert reason["text"] == strongest[reason["code"]].text


def test_an_audit_search_finds_a_customer_s_decisions_page_by_page(client: Client) -> None:
    customer = f"C-{time.time_ns()}"
    ids = {scored(client, customer_id=customer)["transaction_id"] for _ in range(3)}
    wait_for(lambda: len(client.get(f"/explanations?customer_id={customer}").json()["items"]) == 3)
    first = client.get(f"/explanations?customer_id={customer}&limit=2").json()
    second = client.get(f"/explanations?customer_id={customer}&limit=2&cursor={first['next_cursor']}").json()
    assert {item["transaction_id"] for item in first["items"] + second["items"]} == ids
    assert second["next_cursor"] is None


def test_a_batch_is_answered_in_order_and_a_bad_item_fails_alone(client: Client) -> None:
    items = [transaction(), {"transaction_id": "broken"}, transaction()]
    answer = client.post("/predictions/score/batch", {"transactions": items})
    assert answer.is_ok, answer.body
    results = answer.json()["results"]
    assert [result["transaction_id"] for result in results] == [item["transaction_id"] for item in items]
    assert [("decision" in result) for result in results] == [True, False, True]


def test_a_label_is_taken_over_and_stored(client: Client, stack: Stack) -> None:
    import pymongo

    answered = scored(client)
    label = {
        "transaction_id": answered["transaction_id"],
        "label": "fraud",
        "source": "chargeback",
        "labelled_at": time.time(),
    }
    assert client.post("/labels", label).status == 202
    with pymongo.MongoClient(stack.state.env["MONGO_URL"]) as mongo:
        labels = mongo["shrike"]["labels"]
        wait_for(lambda: labels.find_one({"_id": answered["transaction_id"]}))


def test_health_needs_no_token(stack: Stack) -> None:
    assert plain_get(stack.api, "/health/live").is_ok
    ready = plain_get(stack.api, "/health/ready")
    assert ready.is_ok, ready.body
    assert all(check["ok"] for check in ready.json()["checks"].values())


def test_the_documentation_is_served_from_here(stack: Stack) -> None:
    document = plain_get(stack.api, "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    page = plain_get(stack.api, "/docs").body.decode()
    assets = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert assets
    assert all(not asset.startswith(("http:", "https:", "//")) for asset in assets)


def test_the_api_and_each_worker_count_what_they_did(client: Client, admin: Client, stack: Stack) -> None:
    answered = scored(client)
    client.send("POST", "/predictions/score", b"{}", is_signed=False)
    text = admin.get("/metrics").body.decode()
    for name in ("fraud_backend_requests_total", "fraud_backend_request_latency_seconds_bucket", "auth_failures_total"):
        assert name in text, name
    workers = [process for process in stack.state.processes if process.name.startswith("score")]
    texts = [plain_get(f"http://127.0.0.1:{worker.port}", "/metrics").body.decode() for worker in workers]
    counted = rf'^model_decisions_total{{[^}}]*model_version="{answered["model_version"]}"[^}}]*}} [1-9]'
    assert any(re.search(counted, text, flags=re.MULTILINE) for text in texts)


def test_queues_show_every_worker(admin: Client) -> None:
    body = admin.get("/admin/queues").json()
    assert {queue["queue"] for queue in body["queues"]} == {"score", "explain", "publish", "labels", "retrain"}
    workers = [worker["queue"] for worker in body["workers"]]
    assert workers.count("score") == 2
    assert set(workers) == {"score", "explain", "publish", "labels", "retrain"}


def test_the_status_answer_names_every_worker(admin: Client) -> None:
    status = admin.get("/admin/status").json()
    assert status["level"] in {"ok", "warn", "bad"}
    assert {"Queues", "Workers"} <= {section["title"] for section in status["sections"]}


def test_a_link_opens_the_status_page_once(stack: Stack, admin: Client) -> None:
    link = admin.send("POST", "/admin/status/links").json()["path"].partition("#")[2]
    opened, again = (admin.send("POST", "/status/session", json.dumps({"link": link}).encode()) for _ in range(2))
    assert (opened.status, again.status) == (200, 403)
    cookie = opened.headers["set-cookie"].partition(";")[0]
    connection = http.client.HTTPConnection(urlsplit(stack.api).netloc, timeout=10)
    connection.request("GET", "/status", headers={"Cookie": cookie})
    page = connection.getresponse()
    assert page.status == 200
    assert b"<html" in page.read()
    connection.close()
    assert plain_get(stack.api, "/status").status == 303


def test_models_show_the_champion_that_scores(client: Client, admin: Client) -> None:
    models = admin.get("/admin/models").json()
    assert models["champion"] == scored(client)["model_version"]


@pytest.mark.parametrize("way", ["promote", "rollback"])
def test_a_model_that_is_not_there_is_neither_promoted_nor_gone_back_to(admin: Client, way: str) -> None:
    answer = admin.post(f"/admin/models/v20200101T000000-abcdef/{way}", {"reason": "drill"})
    assert (answer.status, answer.json()["type"]) == (404, "/docs#problem-not-found")


def test_safe_mode_refuses_everywhere_and_ends(client: Client, admin: Client) -> None:
    try:
        assert admin.post("/admin/safe-mode/enable", {"reason": "drill"}).is_ok
        wait_for(lambda: client.post("/predictions/score", transaction()).status == 503)
        refused = client.post("/predictions/score", transaction()).json()
        assert (refused["status"], refused["reason"]) == ("safe_mode", "drill")
        assert admin.get("/admin/safe-mode").json()["enabled"] is True
    finally:
        assert admin.send("POST", "/admin/safe-mode/disable").is_ok
    time.sleep(1.5)  # every process looks at the switch at least once a second
    assert all(client.post("/predictions/score", transaction()).is_ok for _ in range(5))


@pytest.mark.parametrize(
    ("change", "status"),
    [({"amount": -1}, 422), ({"colour": "red"}, 422), ({"currency": "euro"}, 422), ({"timestamp": "soon"}, 422)],
)
def test_a_bad_field_is_named_by_its_pointer(change: dict[str, Any], status: int, client: Client) -> None:
    answer = client.post("/predictions/score", transaction(**change))
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{next(iter(change))}"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"amount": NaN}', {}, 400),
        (b'{"a": 1, "a": 2}', {}, 400),
        (b"[" * 5000, {}, 400),
        (b'{"a": "\xff"}', {}, 400),
        (b"{", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * 70_000, {}, 413),
    ],
)
def test_a_hostile_body_is_a_problem_and_never_5xx(
    body: bytes, headers: dict[str, str], status: int, client: Client
) -> None:
    answer = client.send("POST", "/predictions/score", body, headers=headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_credentials_are_checked(stack: Stack, client: Client) -> None:
    body = json.dumps(transaction()).encode()
    assert client.send("POST", "/predictions/score", body, is_signed=False).status == 401
    assert client.send("POST", "/predictions/score", body, headers={"Authorization": "Bearer x.y.z"}).status == 401
    with stack.client(Role.READ) as reader:
        assert reader.send("POST", "/predictions/score", body).status == 403
    assert client.send("POST", "/predictions/score", body, timestamp=int(time.time()) - 1000).status == 401
    now = int(time.time())
    assert client.send("POST", "/predictions/score", body, timestamp=now).is_ok
    assert client.send("POST", "/predictions/score", body, timestamp=now).status == 401


def test_a_subject_that_asks_too_often_waits(stack: Stack) -> None:
    with stack.client(subject="limited") as limited:
        answers = [limited.post("/predictions/score", transaction()) for _ in range(5)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) == 2
    assert int(refused[0].headers["retry-after"]) >= 1
    assert "ratelimit-limit" in refused[0].headers or "ratelimit" in refused[0].headers


def test_a_correlation_id_is_kept_up_to_kafka(client: Client, stack: Stack) -> None:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    sent, correlation_id = transaction(), f"e2e-{os.getpid()}-{time.time_ns()}"
    answer = client.send(
        "POST", "/predictions/score", json.dumps(sent).encode(), headers={"X-Correlation-ID": correlation_id}
    )
    assert answer.is_ok
    assert answer.headers["x-correlation-id"] == correlation_id == answer.json()["correlation_id"]
    consumer = Consumer({"bootstrap.servers": stack.state.env["KAFKA_BOOTSTRAP"], "group.id": correlation_id})
    topics = consumer.list_topics(timeout=10).topics
    names = ("transactions.scored", "transactions.raw")
    consumer.assign(
        [TopicPartition(name, partition, OFFSET_BEGINNING) for name in names for partition in topics[name].partitions]
    )
    found: dict[str, dict[str, Any]] = {}

    def both_topics_have_it() -> bool:
        for message in consumer.consume(200, timeout=0.5):
            if dict(message.headers() or [])["correlation_id"] == correlation_id.encode():
                found[message.topic()] = json.loads(message.value())
        return found.keys() == set(names)

    wait_for(both_topics_have_it)
    consumer.close()
    assert found["transactions.scored"]["transaction_id"] == sent["transaction_id"]
    assert found["transactions.raw"]["amount"] == "42.5"


def test_flower_asks_for_its_password(stack: Stack) -> None:
    settings = stack.home.settings
    assert settings.flower_password is not None
    credentials = f"{settings.flower_user}:{settings.flower_password.get_secret_value()}".encode()
    netloc = urlsplit(stack.state.urls["flower"]).netloc
    statuses = []
    for headers in ({}, {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}):
        connection = http.client.HTTPConnection(netloc, timeout=10)
        connection.request("GET", "/workers", headers=headers)
        statuses.append(connection.getresponse().status)
        connection.close()
    assert statuses == [401, 200]


def test_every_documented_route_was_asked_here(stack: Stack) -> None:
    document = plain_get(stack.api, "/openapi.json").json()
    assert set(document["paths"]) == {
        "/predictions/score", "/predictions/score/batch", "/predictions/{transaction_id}",
        "/explanations/{transaction_id}", "/explanations", "/labels", "/admin/safe-mode", "/admin/safe-mode/enable",
        "/admin/safe-mode/disable", "/admin/models", "/admin/models/{version}/promote",
        "/admin/models/{version}/rollback", "/admin/queues", "/admin/status", "/admin/status/links", "/status/session",
        "/metrics", "/health/live", "/health/ready",
    }  # fmt: skip
