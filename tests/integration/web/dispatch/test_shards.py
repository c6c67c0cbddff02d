"""Scoring on two shards: two servers, a scoring worker and drains on each, one API in front of both."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from pymongo import MongoClient

from ml.domain.label import Label
from ml.stores.decisions.decisions import Reply
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.outbox.keys_redis import OUTBOX
from ml.stores.placements.placements_redis import placement_key
from ml.stores.placements.rendezvous import choose
from ops.client import Answer, Client
from ops.embedded.valkey import valkey
from security.roles import Role
from settings import ScoringTopology, Settings
from tasks.wiring.connections import Connections
from tasks.wiring.reconciliation import reconciled_sinks
from tasks.wiring.stores import decision_store, feature_store, outbox
from tests.contracts.decision_store import new_decision
from tests.contracts.feature_store import value
from tests.integration.ml.stores.publications.test_publications_kafka import consume
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, settings_of, wait_until
from tests.integration.workers.conftest import transaction as payment

BATCH = f"{SCORE}/batch"
SHARDS = ("s1", "s2")


def customers_of(shard: str) -> Iterator[str]:
    """Yields customers that belong to a shard, none of them seen before."""
    while True:
        name = f"c-{uuid4().hex[:12]}"
        if choose(SHARDS, name) == shard:
            yield name


def customer_of(shard: str) -> str:
    return next(customers_of(shard))


@dataclass
class World:
    """The shards' servers, the API, and the works: those in common and each shard's."""

    common: Works
    shards: dict[str, Works]
    servers: dict[str, redis.Redis]
    folders: dict[str, Path]
    api: RunningApi
    clients: dict[Role, Client]

    @property
    def settings(self) -> Settings:
        return self.common.settings

    def post(self, path: str, body: object) -> Answer:
        return self.clients[Role.SERVICE].post(path, body)

    def get(self, path: str, role: Role) -> Answer:
        return self.clients[role].get(path)

    def holders(self, transaction_id: str) -> list[str]:
        """Returns the shards that hold a record of a transaction."""
        return [name for name, server in self.servers.items() if server.exists(decision_key(transaction_id))]


@pytest.fixture(scope="module")
def world(works: Works, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folders = {name: tmp_path_factory.mktemp(name) for name in SHARDS}
    with ExitStack() as started:
        # With everysec, a kill loses what was written while an fsync was under way.
        urls = {name: started.enter_context(valkey(folder, appendfsync="always")) for name, folder in folders.items()}
        env = works.env | {
            "SCORE_SHARD_URLS": json.dumps(urls),
            # Places of their own: what other tests left is not this installation's.
            "REDIS_URL": f"{works.env['REDIS_URL'].rsplit('/', 1)[0]}/11",
            "MONGO_DATABASE": f"shards_{uuid4().hex[:8]}",
            "KAFKA_TOPIC_SCORED": f"scored-{uuid4().hex[:8]}",
            "CB_MAX_FAILURES": "2",
            "CB_OPEN_SEC": "1",
        }
        common = Works(works.folder, env, settings_of(env))
        common.client.flushdb()
        topology = ScoringTopology.from_settings(common.settings)
        shards = {name: Works(works.folder, env | {"SHARD": name}, topology.shards[name]) for name in SHARDS}
        for own in shards.values():
            started.enter_context(own.worker("score"))
        api = started.enter_context(running_api(common, SCORE_TIMEOUT_MS="3000"))
        servers = {name: redis.Redis.from_url(url) for name, url in urls.items()}
        clients = {role: started.enter_context(api.client(role)) for role in Role}
        yield World(common, shards, servers, folders, api, clients)


@pytest.mark.parametrize("shard", SHARDS)
def test_a_decision_is_made_and_kept_on_its_customer_s_shard(world: World, shard: str) -> None:
    body = transaction(customer_id=customer_of(shard))
    answer = world.post(SCORE, body)
    assert answer.status == 200, answer.body
    assert world.holders(body["transaction_id"]) == [shard]
    assert world.common.client.get(placement_key(body["transaction_id"])) == shard.encode()
    assert not world.common.client.exists(OUTBOX)
    read = world.get(f"/predictions/{body['transaction_id']}", Role.READ)
    assert (read.status, read.json()["score"]) == (200, answer.json()["score"])


def test_a_batch_is_split_by_shard_and_answered_in_order(world: World) -> None:
    bodies = [transaction(customer_id=customer_of(SHARDS[number % 2])) for number in range(100)]
    bodies[7] = bodies[7] | {"amount": "-1"}
    bodies[50] = bodies[3]
    answer = world.post(BATCH, {"transactions": bodies})
    assert answer.status == 200, answer.body
    results = answer.json()["results"]
    assert [item.get("status") for item in results if "decision" not in item] == [422]
    answered = [item["transaction_id"] for item in results if "decision" in item]
    assert answered == [body["transaction_id"] for number, body in enumerate(bodies) if number != 7]
    assert results[50]["score"] == results[3]["score"]
    held = [world.holders(body["transaction_id"]) for number, body in enumerate(bodies) if number not in {7, 50}]
    assert held == [[SHARDS[number % 2]] for number in range(100) if number not in {7, 50}]


def test_a_retry_gets_the_same_decision_and_counts_once(world: World) -> None:
    customer = customer_of("s1")
    body = transaction(customer_id=customer)
    first, again = world.post(SCORE, body), world.post(SCORE, body)
    alone = {"correlation_id", "timings"}
    assert {name: part for name, part in first.json().items() if name not in alone} == {
        name: part for name, part in again.json().items() if name not in alone
    }
    matrix = feature_store(Connections(world.settings)).observe([payment(customer_id=customer)])
    assert value(matrix, "customer_history", 0) == 1


def test_an_id_that_comes_again_with_a_customer_of_another_shard_is_a_conflict(world: World) -> None:
    body = transaction(customer_id=customer_of("s1"))
    assert world.post(SCORE, body).status == 200
    other = body | {"customer_id": customer_of("s2")}
    assert world.post(SCORE, other).status == 409
    (result,) = world.post(BATCH, {"transactions": [other]}).json()["results"]
    assert result["status"] == 409
    assert world.holders(body["transaction_id"]) == ["s1"]


def post_alone(world: World, body: dict[str, Any]) -> int:
    with world.api.client() as client:
        return client.post(SCORE, body).status


def test_of_two_bodies_that_race_under_one_id_one_is_decided(world: World) -> None:
    for _ in range(10):
        name = uuid4().hex
        bodies = [transaction(transaction_id=name, customer_id=customer_of(shard)) for shard in SHARDS]
        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(lambda body: post_alone(world, body), bodies))
        assert sorted(statuses) == [200, 409]
        assert len(world.holders(name)) == 1


def test_a_retiring_shard_answers_its_retries_and_gets_nothing_new(world: World) -> None:
    customer = customer_of("s1")
    body = transaction(customer_id=customer)
    before = world.post(SCORE, body)
    changes = {"SCORE_SHARDS_RETIRING": '["s1"]', "SCORE_TIMEOUT_MS": "3000"}
    with running_api(world.common, **changes) as api, api.client() as client:
        again = client.post(SCORE, body)
        assert (again.status, again.json()["scored_at"]) == (200, before.json()["scored_at"])
        moved = transaction(customer_id=customer)
        assert client.post(SCORE, moved).status == 200
    assert world.holders(body["transaction_id"]) == ["s1"]
    assert world.holders(moved["transaction_id"]) == ["s2"]


def test_what_was_decided_before_there_were_shards_stays_decided(world: World) -> None:
    body = transaction()
    old = payment(**body)
    record = new_decision(body["transaction_id"], fingerprint=old.fingerprint())
    decision_store(Connections(world.settings)).commit([record], Reply("nobody", "b", {}))
    assert world.post(SCORE, body).json()["score"] == 0.5
    assert world.post(SCORE, body | {"amount": "99"}).status == 409
    assert world.holders(body["transaction_id"]) == []


def test_a_terminal_is_known_to_the_customers_of_every_shard(world: World) -> None:
    terminal = f"t-{uuid4().hex[:8]}"
    for shard in SHARDS:
        answer = world.post(SCORE, transaction(customer_id=customer_of(shard), terminal_id=terminal))
        assert answer.status == 200
    matrix = feature_store(Connections(world.settings)).observe([payment(terminal_id=terminal)])
    assert value(matrix, "terminal_count_1d", 0) == 2


def test_every_shard_is_shown_with_its_queues_outbox_and_workers(world: World) -> None:
    queues = world.get("/admin/queues", Role.ADMIN).json()
    assert {worker["shard"] for worker in queues["workers"]} == set(SHARDS)
    assert [shard["shard"] for shard in queues["shards"]] == list(SHARDS)
    for shard in queues["shards"]:
        assert shard["reachable"]
        assert {queue["queue"]: queue["consumers"] for queue in shard["queues"]}["score"] == 1
        assert shard["outbox"]["explain"]["entries"] > 0
    assert world.api.status("/health/ready") == 200


def test_both_shards_outboxes_are_stored_and_published_and_a_label_finds_its_payment(world: World) -> None:
    bodies = [transaction(customer_id=customer_of(SHARDS[number % 2])) for number in range(20)]
    ids = {body["transaction_id"] for body in bodies}
    terminal = f"t-{uuid4().hex[:8]}"
    bodies[0] |= {"terminal_id": terminal, "timestamp": int(time.time()) - 3600}
    answer = world.post(BATCH, {"transactions": bodies})
    assert all("decision" in item for item in answer.json()["results"])
    mongo: MongoClient[dict[str, Any]] = MongoClient(world.settings.mongo_url, tz_aware=True)
    explanations = MongoExplanationStore(mongo[world.settings.mongo_database]["explanations"])
    drains = [own.worker(queue) for own in world.shards.values() for queue in ("explain", "publish")]
    with mongo, ExitStack() as started, ThreadPoolExecutor(len(drains)) as pool:
        list(pool.map(started.enter_context, drains))
        wait_until(lambda: explanations.existing(sorted(ids)) == ids, what="every explanation")
        for name, own in world.shards.items():
            for group in ("explain", "publish"):
                view = outbox(Connections(own.settings), group, consumer="test")
                wait_until(lambda view=view: view.lag().entries == 0, what=f"the {group} outbox of {name}")
        published = consume(
            world.settings.kafka_bootstrap,
            world.settings.kafka_topic_scored,
            mongo[world.settings.mongo_database]["explanations"].count_documents({}),
        )
    events = {dict(message.headers() or ())["event_id"] for message in published}
    assert {f"{name}:scored".encode() for name in ids} <= events
    label = Label(
        transaction_id=bodies[0]["transaction_id"], label="fraud", source="chargeback", labelled_at=time.time() - 1800
    )
    assert world.post("/labels", label.model_dump(mode="json", exclude_none=True)).status == 202
    with world.common.worker("labels"):
        wait_until(
            lambda: outbox(Connections(world.settings), "labels", consumer="test").lag().entries == 0,
            what="the applied label",
        )
    matrix = feature_store(Connections(world.settings)).observe([payment(terminal_id=terminal)])
    assert value(matrix, "terminal_frauds_7d", 0) == 1


def test_every_shard_s_outbox_is_reconciled(world: World) -> None:
    body = transaction(customer_id=customer_of("s2"))
    world.post(SCORE, body)
    server = world.servers["s2"]
    (lost,) = [item for item, fields in server.xrange(OUTBOX) if fields[b"id"].decode() == body["transaction_id"]]
    server.xdel(OUTBOX, lost)
    now_ms = time.time_ns() // 1_000_000 + 1_000
    sinks = reconciled_sinks(Connections(world.settings), stored=lambda _ids: set())
    reports = [reconcile_sink(now_ms) for reconcile_sink in sinks]
    assert [(report.shard, report.sink) for report in reports] == [
        (shard, sink) for shard in (None, *SHARDS) for sink in ("explain", "publish")
    ]
    assert {report.shard: report.repaired for report in reports if report.sink == "explain"} == {
        None: 0, "s1": 0, "s2": 1,
    }  # fmt: skip
    again = [fields[b"only"] for _, fields in server.xrange(OUTBOX) if fields[b"id"].decode() == body["transaction_id"]]
    assert again == [b"explain"]  # the next run looks whether publishing still owes it


def test_a_dead_shard_fails_its_own_customers_and_no_others(world: World) -> None:
    mine, others = islice(customers_of("s1"), 8), islice(customers_of("s2"), 8)
    decided = transaction(customer_id=customer_of("s1"))
    before = world.post(SCORE, decided)
    os.kill(int(world.servers["s1"].info("server")["process_id"]), signal.SIGKILL)

    for lost, kept in zip(mine, others, strict=True):
        assert world.post(SCORE, transaction(customer_id=kept)).status == 200
        refused = world.post(SCORE, transaction(customer_id=lost))
        assert refused.status == 503, refused.body
        assert "retry-after" in refused.headers
    mixed = [transaction(customer_id=customer_of(SHARDS[number % 2])) for number in range(40)]
    results = world.post(BATCH, {"transactions": mixed}).json()["results"]
    assert [item.get("status", 200) for item in results] == [503, 200] * 20
    # It may have been decided, so it is not decided anew elsewhere.
    assert world.post(SCORE, decided).status == 503
    assert world.post(SCORE, decided | {"customer_id": customer_of("s2")}).status == 503

    assert world.api.status("/health/ready") == 200
    shards = world.get("/admin/queues", Role.ADMIN).json()["shards"]
    assert {shard["shard"]: shard["reachable"] for shard in shards} == {"s1": False, "s2": True}

    port = world.servers["s1"].connection_pool.connection_kwargs["port"]
    with valkey(world.folders["s1"], port=port, appendfsync="always"):
        wait_until(lambda: world.post(SCORE, decided).status == 200, what="the shard's return")
        again = world.post(SCORE, decided)
        assert again.json()["scored_at"] == before.json()["scored_at"]
        wait_until(
            lambda: world.post(SCORE, transaction(customer_id=customer_of("s1"))).status == 200,
            what="new decisions on the shard",
        )
