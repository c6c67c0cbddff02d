import time

import orjson
import pytest
import redis

from ml.delivery.reconciliation import ReconciliationReport, reconcile
from ml.domain.transaction import fingerprint_of
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.outbox.awaiting import Awaiting
from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.keys_redis import OUTBOX, awaiting_key
from ml.stores.outbox.outbox import SINKS
from ml.stores.outbox.outbox_redis import RedisOutbox
from tests.seals import DECISION_SEAL, EVENT_SEAL


class TestReconciliation:
    @pytest.fixture(autouse=True)
    def _stores(self, redis_client: redis.Redis) -> None:
        self.client = redis_client
        self.decisions = RedisDecisionStore(
            redis_client, record_ttl_seconds=60, outbox_limit=100, seal=DECISION_SEAL, event_seal=EVENT_SEAL
        )
        self.explain, self.publish = (
            RedisOutbox(redis_client, stream=OUTBOX, group=sink, groups=SINKS, consumer="w", claim_idle_ms=1000)
            for sink in SINKS
        )

    def answer(self, transaction_id: str) -> None:
        decision = orjson.dumps({"transaction_id": transaction_id, "model_version": "v"})
        transaction = orjson.dumps({"transaction_id": transaction_id})
        entry = NewDecision(transaction_id, fingerprint_of(orjson.loads(transaction)), decision, transaction, b"{}")
        self.decisions.commit([entry], Reply("shrike:reply:x", "b", {}))

    def reconcile(self, present: set[str] = frozenset()) -> ReconciliationReport:
        return reconcile(
            "explain",
            RedisAwaitingIndex(self.client, "explain", EVENT_SEAL),
            self.decisions,
            present=lambda ids: set(ids) & present,
            before_ms=time.time_ns() // 1_000_000 + 1_000,
        )

    def test_finds_nothing_overdue_once_all_is_acknowledged(self) -> None:
        self.answer("t-1")
        self.explain.acknowledge(self.explain.read_new(5))
        assert self.reconcile() == ReconciliationReport("explain", 0, 0, 0, 0, 0)

    def test_leaves_alone_what_the_stream_still_holds(self) -> None:
        self.answer("t-1")
        assert self.reconcile() == ReconciliationReport(
            "explain", overdue=1, held=1, acknowledged=0, repaired=0, lost=0
        )
        assert self.client.xlen(OUTBOX) == 1

    def test_leaves_alone_what_was_given_up(self) -> None:
        self.answer("t-1")
        self.explain.bury(self.explain.read_new(1)[0], "poison")
        self.client.xtrim(OUTBOX, maxlen=0)
        assert self.reconcile().held == 1

    def test_repairs_from_the_record_what_went_missing_for_its_sink_alone(self) -> None:
        self.answer("t-1")
        self.client.xtrim(OUTBOX, maxlen=0)
        assert self.reconcile() == ReconciliationReport(
            "explain", overdue=1, held=0, acknowledged=0, repaired=1, lost=0
        )
        (entry,) = self.explain.read_new(5)
        event = orjson.loads(entry.body)
        assert (entry.transaction_id, entry.only) == ("t-1", "explain")
        assert (event["transaction"], event["decision"]["model_version"]) == ({"transaction_id": "t-1"}, "v")
        assert self.reconcile().held == 1

    def test_acknowledges_what_the_sink_has(self) -> None:
        self.answer("t-1")
        self.client.xtrim(OUTBOX, maxlen=0)
        assert self.reconcile({"t-1"}).acknowledged == 1
        assert self.client.zcard(awaiting_key("explain")) == 0

    def test_says_what_is_lost(self) -> None:
        self.answer("t-1")
        self.client.xtrim(OUTBOX, maxlen=0)
        self.client.delete(decision_key("t-1"))
        assert self.reconcile().lost == 1
        assert self.reconcile().overdue == 0

    def test_a_redriven_letter_is_held_at_its_new_place(self) -> None:
        self.answer("t-1")
        self.explain.bury(self.explain.read_new(1)[0], "poison")
        self.client.xtrim(OUTBOX, maxlen=0)
        time.sleep(1.1)  # beyond the slack with which a place in the stream is looked up
        self.explain.redrive(self.explain.dead_letters(5))
        assert self.reconcile().held == 1

    def test_repairs_nothing_that_the_drain_acknowledges_between_two_looks(self) -> None:
        self.answer("t-1")
        test = self

        class Index(RedisAwaitingIndex):
            """The drain goes on while the list is compared with the stream."""

            def overdue(self, *, before_ms: int, count: int) -> list[Awaiting]:
                found = super().overdue(before_ms=before_ms, count=count)
                for outbox in (test.explain, test.publish):
                    outbox.acknowledge(outbox.read_new(5))
                    outbox.trim()
                return found

        index = Index(self.client, "publish", EVENT_SEAL)
        before_ms = time.time_ns() // 1_000_000 + 1_000
        report = reconcile("publish", index, self.decisions, present=lambda _ids: set(), before_ms=before_ms)
        assert report == ReconciliationReport("publish", overdue=1, held=0, acknowledged=1, repaired=0, lost=0)
        assert self.client.xlen(OUTBOX) == 0
