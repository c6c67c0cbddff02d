"""What a sink confirmed and lost is found and repaired by the scheduled comparison, with every worker real."""

import time
from collections.abc import Callable

import pytest
from pymongo import MongoClient

from ml.domain.transaction import Transaction
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.outbox.keys_redis import ANSWERED_PREFIX, OUTBOX, answered_key, awaiting_key
from tasks.wiring.connections import Connections
from tasks.wiring.stores import outbox
from tests.integration.workers.conftest import Works, wait_until


@pytest.mark.usefixtures("score_worker")
def test_an_explanation_that_mongodb_lost_is_back_after_the_next_comparison(
    works: Works, make_transaction: Callable[..., Transaction]
) -> None:
    forget_answers(works)  # earlier tests' answers are none of this one's business
    client: MongoClient = MongoClient(works.settings.mongo_url, tz_aware=True)
    collection = client[works.settings.mongo_database]["explanations"]
    store = MongoExplanationStore(collection)
    views = [outbox(Connections(works.settings), group, consumer="test") for group in ("explain", "publish")]
    with works.worker("explain"), works.worker("publish"), works.worker("retrain") as retrain:
        ids = [works.score(make_transaction())[0]["decision"]["transaction_id"] for _ in range(10)]
        wait_until(lambda: all(view.lag().entries == 0 for view in views), what="an empty outbox")
        assert collection.delete_many({"_id": {"$in": ids[:3]}}).deleted_count == 3
        put_into_the_past(works)
        works.app.send_task("reconcile.run")

        def repaired(sink: str) -> float:
            return retrain.metric(f'reconciliation_repaired_total{{sink="{sink}"}}')

        wait_until(lambda: repaired("mongo") == 3, what="the repair")
        wait_until(lambda: store.existing(ids) == set(ids), what="every explanation")
        wait_until(
            lambda: retrain.metric('reconciliation_compared_total{sink="kafka"}') == 10, what="the look into Kafka"
        )
        assert repaired("kafka") == 0
    client.close()


def forget_answers(works: Works) -> None:
    """Removes what was answered so far, and nothing else: an emptied Redis would shut scoring."""
    for pattern in (OUTBOX, awaiting_key("*"), f"{ANSWERED_PREFIX}*"):
        if keys := list(works.client.scan_iter(pattern)):
            works.client.delete(*keys)


def put_into_the_past(works: Works) -> None:
    """Only minutes that are over are compared: moves what was just answered one minute back."""
    this_minute = int(time.time() // 60)
    for minute in (this_minute - 1, this_minute):
        if works.client.exists(answered_key(minute)):
            works.client.rename(answered_key(minute), answered_key(minute - 2))
