import time

import orjson
import pytest
import redis
from pymongo.database import Database

from ml.delivery.completeness import CompletenessReport, SinkCheck, Window
from ml.delivery.sinks import ExplanationSink
from ml.domain.transaction import fingerprint_of
from ml.stores.arrivals.arrivals_mongo import MongoArrivals
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.outbox.answered_redis import RedisAnsweredIndex
from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.keys_redis import OUTBOX
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.seals import DECISION_SEAL, EVENT_SEAL

SCORED_AT = "2026-01-01T00:00:00.000Z"


class TestCompleteness:
    @pytest.fixture(autouse=True)
    def _stores(self, redis_client: redis.Redis, mongo_database: Database) -> None:
        self.client = redis_client
        self.decisions = RedisDecisionStore(
            redis_client, record_ttl_seconds=60, outbox_limit=100, seal=DECISION_SEAL, event_seal=EVENT_SEAL
        )
        self.outbox = RedisOutbox(
            redis_client, stream=OUTBOX, group="explain", groups=SINKS, consumer="w", claim_idle_ms=1000
        )
        self.store = MongoExplanationStore(mongo_database["explanations"])
        self.collection = mongo_database["explanations"]
        self.check = SinkCheck(
            "explain",
            RedisAnsweredIndex(redis_client),
            RedisAwaitingIndex(redis_client, "explain", EVENT_SEAL),
            MongoArrivals(self.store),
            self.decisions,
        )

    def answer(self, *names: str) -> None:
        for name in names:
            transaction = {"transaction_id": name, "customer_id": "c", "timestamp": 1}
            decision = {"transaction_id": name, "model_version": "v", "scored_at": SCORED_AT}
            event = {"transaction": transaction, "decision": decision, "fingerprint": fingerprint_of(transaction)}
            event |= {"correlation_id": "c", "model": {}}
            entry = NewDecision(name, event["fingerprint"], *map(orjson.dumps, (decision, transaction, event)))
            self.decisions.commit([entry], Reply(None, "b", {}))

    def deliver(self) -> None:
        entries = self.outbox.read_new(100)
        assert ExplanationSink(self.store, EVENT_SEAL).write(entries) == []
        self.outbox.acknowledge(entries)

    def run(self) -> CompletenessReport:
        return self.check.run(Window.before(time.time() + 60, minutes=3))

    def test_all_is_well_once_everything_answered_is_stored(self) -> None:
        self.answer("a", "b")
        self.deliver()
        assert self.run() == CompletenessReport("explain", 2, 0, present=2, unverifiable=0, repaired=0, lost=0)

    def test_what_is_not_acknowledged_is_left_to_its_drain(self) -> None:
        self.answer("a")
        assert self.run() == CompletenessReport("explain", 1, 1, present=0, unverifiable=0, repaired=0, lost=0)

    def test_what_the_sink_confirmed_and_lost_is_repaired_from_the_record(self) -> None:
        self.answer("a", "b")
        self.deliver()
        self.collection.delete_one({"_id": "a"})
        assert self.run() == CompletenessReport("explain", 2, 0, present=1, unverifiable=0, repaired=1, lost=0)
        assert self.run().awaiting == 1
        self.deliver()
        assert self.store.existing(["a", "b"]) == {"a", "b"}
        assert self.run() == CompletenessReport("explain", 2, 0, present=2, unverifiable=0, repaired=0, lost=0)

    def test_says_what_cannot_be_repaired(self) -> None:
        self.answer("a")
        self.deliver()
        self.collection.delete_one({"_id": "a"})
        self.client.delete(decision_key("a"))
        assert self.run() == CompletenessReport("explain", 1, 0, present=0, unverifiable=0, repaired=0, lost=1)

    def test_a_window_without_answers_asks_no_sink(self) -> None:
        assert self.run() == CompletenessReport("explain", 0, 0, present=0, unverifiable=0, repaired=0, lost=0)

    def test_minutes_outside_the_window_are_not_looked_at(self) -> None:
        self.answer("a")
        assert self.check.run(Window.before(time.time() - 120, minutes=30)).answered == 0
