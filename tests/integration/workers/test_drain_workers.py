import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import orjson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from ml.domain.label import Label
from ml.domain.transaction import Transaction
from ml.explanation.full_explanation import full_explanation
from ml.features.schema import FEATURE_NAMES
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.labels.labels_mongo import MongoLabelStore
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import OUTBOX
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store, label_inbox, outbox
from tests.integration.ml.stores.publications.test_publications_kafka import consume
from tests.integration.workers.conftest import Works, wait_until

MakeTransaction = Callable[..., Transaction]


def expit(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


pytestmark = pytest.mark.usefixtures("score_worker")


@pytest.fixture
def database(works: Works) -> Iterator[Database]:
    """The workers' own database."""
    client: MongoClient = MongoClient(works.settings.mongo_url, tz_aware=True)
    yield client[works.settings.mongo_database]
    client.close()


def test_what_was_answered_is_stored_and_published_without_beat(
    works: Works, database: Database, make_transaction: MakeTransaction
) -> None:
    store = MongoExplanationStore(database["explanations"])
    with works.worker("explain"), works.worker("publish"):
        answered = [works.score(make_transaction())[0]["decision"] for _ in range(20)]
        ids = {decision["transaction_id"] for decision in answered}
        wait_until(lambda: store.existing(sorted(ids)) == ids, what="every explanation")
        published = consume(works.settings.kafka_bootstrap, works.settings.kafka_topic_scored, 20)
    assert {message.key() for message in published} == {b"c-1"}
    record = store.find(answered[0]["transaction_id"])
    assert record is not None
    assert {key: record[key] for key in answered[0]} == answered[0]
    assert record["correlation_id"] == f"corr-{record['transaction_id']}"
    explanation = full_explanation(record["explanation"], record["breakdown"])
    assert expit(explanation["log_odds"]) == pytest.approx(record["score"], abs=1e-5)
    assert expit(explanation["sequence"]["log_odds"]) == pytest.approx(record["breakdown"]["sequence"], abs=1e-5)


def test_a_drain_that_starts_late_finds_everything(
    works: Works, database: Database, make_transaction: MakeTransaction
) -> None:
    answered = [works.score(make_transaction())[0]["decision"]["transaction_id"] for _ in range(5)]
    view = outbox(Connections(works.settings), "explain", consumer="test")
    assert view.lag().entries >= 5
    store = MongoExplanationStore(database["explanations"])
    with works.worker("explain"):
        wait_until(lambda: store.existing(answered) == set(answered), what="every explanation")
        wait_until(lambda: view.lag().entries == 0, what="an empty outbox")


def test_a_stopped_worker_finishes_its_batch_and_loses_nothing(works: Works, database: Database) -> None:
    store, seal = MongoExplanationStore(database["explanations"]), EventSeal.from_settings(works.settings)
    ids = [f"stop-{number}" for number in range(6000)]
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with works.client.pipeline(transaction=False) as pipeline:
        for transaction_id in ids:
            body = seal.close(transaction_id, event(transaction_id, now))
            pipeline.xadd(OUTBOX, {"id": transaction_id, "event": body, "only": "explain"})
        pipeline.execute()
    view = outbox(Connections(works.settings), "explain", consumer="test")
    slow = Works(works.folder, works.env | {"DRAIN_BATCH_ROWS": "50"}, works.settings)
    with slow.worker("explain") as worker:
        wait_until(lambda: bool(store.existing(ids)), what="a drain at work")
        os.kill(worker.pid, signal.SIGTERM)
        ended = os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == 0
    stored = store.existing(ids)
    assert 0 < len(stored) < len(ids)
    # What it had read it wrote and acknowledged: nothing waits for a claim.
    assert works.client.xpending(OUTBOX, "explain")["pending"] == 0
    assert view.lag().entries == len(ids) - len(stored)
    with works.worker("explain"):  # it sends itself a doorbell at its start: nobody else does
        wait_until(lambda: view.lag().entries == 0, what="an empty outbox")
    assert store.existing(ids) == set(ids)
    assert database["explanations"].count_documents({"_id": {"$in": ids}}) == len(ids)


def event(transaction_id: str, scored_at: str) -> bytes:
    """Returns the event of an answer without findings, as a repair writes it."""
    transaction = {"transaction_id": transaction_id, "customer_id": "c-1", "timestamp": 1, "channel": "pos"}
    decision = {"transaction_id": transaction_id, "model_version": "v", "scored_at": scored_at, "breakdown": {}}
    content = {"transaction": transaction, "decision": decision, "fingerprint": "f", "correlation_id": "c", "model": {}}
    return orjson.dumps(content)


def test_labels_reach_the_store_and_the_features(
    works: Works, database: Database, make_transaction: MakeTransaction
) -> None:
    paid = make_transaction(customer_id="c-label", terminal_id="t-label", timestamp=time.time() - 3600)
    works.score(paid)
    label = Label(
        transaction_id=paid.transaction_id, label="fraud", source="chargeback", labelled_at=time.time() - 1800
    )
    inbox = label_inbox(Connections(works.settings))
    unknown = label.model_copy(update={"transaction_id": "never-seen"})
    assert inbox.accept([(label, "corr-label"), (unknown, "corr-unknown")])
    works.app.send_task("labels.apply")
    store = MongoLabelStore(database["labels"])
    with works.worker("labels"):
        wait_until(lambda: recorded(store, "never-seen") == unknown, what="the stored labels")
        wait_until(
            lambda: outbox(Connections(works.settings), "labels", consumer="test").lag().entries == 0,
            what="applied labels",
        )
    assert recorded(store, paid.transaction_id) == label
    risk = FEATURE_NAMES.index("terminal_frauds_7d")
    after = make_transaction(customer_id="c-label", terminal_id="t-label")
    assert feature_store(Connections(works.settings)).observe([after]).vectors[0, risk] == 1.0


def recorded(store: MongoLabelStore, transaction_id: str) -> Label | None:
    found = store.find_many([transaction_id])
    return found[transaction_id].label if found else None
