"""The sinks over the real servers."""

import base64
import os

import pytest
import redis
from pymongo.database import Database

from ml.delivery.drain import DeliveryRules, drain
from ml.delivery.sinks import LabelSink
from ml.domain.label import Label
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.explanations.explanations_mongo import MongoExplanationStore
from ml.stores.features.features_redis import RedisFeatureStore
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ml.stores.labels.labels_mongo import MongoLabelStore
from ml.stores.outbox.outbox_redis import RedisOutbox
from ml.stores.redis.server_redis import ServerCommands
from security.messages.message_signer import MessageSigner
from tests.seals import DECISION_SEAL, EVENT_SEAL

RULES = DeliveryRules(batch_rows=10, batch_bytes=100_000, linger_seconds=0.0, max_deliveries=5)


def label(transaction_id: str, outcome: str, *, at: float) -> Label:
    return Label(transaction_id=transaction_id, label=outcome, source="chargeback", labelled_at=at)


class TestLabelSink:
    @pytest.fixture(autouse=True)
    def _sink(self, redis_client: redis.Redis, mongo_database: Database) -> None:
        signer = MessageSigner(base64.b64encode(os.urandom(32)))
        self.inbox = RedisLabelInbox(redis_client, signer)
        self.labels = MongoLabelStore(mongo_database["labels"])
        self.sink = LabelSink(
            signer=signer,
            labels=self.labels,
            features=RedisFeatureStore(ServerCommands(redis_client)),
            decisions=RedisDecisionStore(
                redis_client, record_ttl_seconds=60, outbox_limit=1_000, seal=DECISION_SEAL, event_seal=EVENT_SEAL
            ),
            explanations=MongoExplanationStore(mongo_database["explanations"]),
        )
        self.outbox = RedisOutbox(
            redis_client, stream=LABELS, group="labels", groups=("labels",), consumer="w", claim_idle_ms=60_000
        )

    def label(self, transaction_id: str) -> Label | None:
        found = self.labels.find_many([transaction_id])
        return found[transaction_id].label if found else None

    def drain(self, *labels: Label) -> None:
        self.inbox.accept([(given, "correlation-1") for given in labels])
        drain(self.outbox, self.sink, "labels", rules=RULES)

    def test_labels_that_are_all_older_than_the_known_ones_stop_nothing(self) -> None:
        self.drain(label("a", "legitimate", at=1_000.001), label("b", "fraud", at=500.0))
        self.drain(label("a", "fraud", at=1_000.0), label("b", "legitimate", at=499.0))
        self.drain(label("a", "fraud", at=1_000.0))
        self.drain(label("c", "fraud", at=2_000.0))
        found = {name: self.label(name) for name in "abc"}
        assert {name: known and known.label for name, known in found.items()} == {
            "a": "legitimate",
            "b": "fraud",
            "c": "fraud",
        }
        lag = self.outbox.lag()
        assert (lag.entries, lag.dead_letters) == (0, 0)
