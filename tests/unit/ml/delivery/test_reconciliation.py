import time

import orjson
import pytest

from ml.delivery.reconciliation import REPAIRED_CORRELATION_ID, ReconciliationReport, reconcile
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.outbox.awaiting_memory import MemoryAwaitingIndex
from ml.stores.outbox.outbox_memory import MemoryOutbox, MemoryStream


class TestReconciliation:
    @pytest.fixture(autouse=True)
    def _stores(self) -> None:
        self.stream, self.decisions = MemoryStream(), MemoryDecisionStore()
        self.outbox = MemoryOutbox(self.stream, "explain")
        self.index = MemoryAwaitingIndex(self.stream, "explain")

    def answer(self, name: str, *, is_recorded: bool = True) -> None:
        self.stream.add(name, b"{}")
        if is_recorded:
            entry = NewDecision(name, "f" * 32, orjson.dumps({"model_version": "v"}), b"{}", b"{}")
            self.decisions.commit([entry], Reply(None, "b", {}))

    def reconcile(self, present: frozenset[str] = frozenset()) -> ReconciliationReport:
        before_ms = time.time_ns() // 1_000_000 + 1_000
        return reconcile(
            "explain", self.index, self.decisions, present=lambda ids: present & set(ids), before_ms=before_ms
        )

    def test_leaves_alone_what_the_stream_still_holds(self) -> None:
        self.answer("a")
        assert self.reconcile() == ReconciliationReport("explain", 1, 1, acknowledged=0, repaired=0, lost=0)

    def test_acknowledges_what_the_sink_has(self) -> None:
        self.answer("a")
        self.stream.entries.clear()
        assert self.reconcile(frozenset({"a"})).acknowledged == 1
        assert self.index.awaiting(["a"]) == set()

    def test_repairs_from_the_record_what_went_missing(self) -> None:
        self.answer("a")
        self.stream.entries.clear()
        assert self.reconcile().repaired == 1
        (entry,) = self.outbox.read_new(5)
        assert orjson.loads(entry.body)["correlation_id"] == REPAIRED_CORRELATION_ID
        assert self.reconcile().held == 1

    def test_counts_what_has_no_record_any_more_as_lost_once(self) -> None:
        self.answer("a", is_recorded=False)
        self.stream.entries.clear()
        assert self.reconcile().lost == 1
        assert self.reconcile().overdue == 0
