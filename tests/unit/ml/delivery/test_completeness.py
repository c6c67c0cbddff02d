import orjson
import pytest

from ml.delivery.completeness import CompletenessReport, SinkCheck, Window
from ml.stores.arrivals.arrivals_memory import MemoryArrivals
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_memory import MemoryDecisionStore
from ml.stores.outbox.answered_memory import MemoryAnsweredIndex
from ml.stores.outbox.awaiting_memory import MemoryAwaitingIndex
from ml.stores.outbox.outbox_memory import MemoryOutbox, MemoryStream

WINDOW = Window(first_minute=10, last_minute=12)


class TestCompleteness:
    @pytest.fixture(autouse=True)
    def _stores(self) -> None:
        self.stream = MemoryStream()
        self.outbox = MemoryOutbox(self.stream, "explain")
        self.index, self.arrivals = MemoryAnsweredIndex(), MemoryArrivals()
        self.awaiting, self.decisions = MemoryAwaitingIndex(self.stream, "explain"), MemoryDecisionStore()
        self.check = SinkCheck("explain", self.index, self.awaiting, self.arrivals, self.decisions)

    def answer(self, name: str, *, minute: int = 11) -> None:
        entry = NewDecision(name, "f" * 32, orjson.dumps({"model_version": "v"}), b"{}", b"{}")
        self.decisions.commit([entry], Reply(None, "b", {}))
        self.stream.add(name, entry.event)
        self.index.add(minute, name)

    def acknowledge(self) -> None:
        self.outbox.acknowledge(self.outbox.read_new(100))

    def test_counts_what_arrived_and_what_is_still_awaited(self) -> None:
        self.answer("a")
        self.acknowledge()
        self.answer("b")
        self.arrivals.held = {"a"}
        expected = CompletenessReport("explain", answered=2, awaiting=1, present=1, unverifiable=0, repaired=0, lost=0)
        assert self.check.run(WINDOW) == expected

    def test_repairs_what_the_sink_acknowledged_and_lost(self) -> None:
        self.answer("a")
        self.acknowledge()
        assert self.check.run(WINDOW).repaired == 1
        (entry,) = self.outbox.read_new(5)
        assert (entry.transaction_id, entry.only) == ("a", "explain")
        assert orjson.loads(entry.body)["model"] == {"version": "v", "hash": None}
        assert self.check.run(WINDOW).awaiting == 1

    def test_counts_what_has_no_record_any_more_as_lost(self) -> None:
        self.index.add(11, "a")
        assert self.check.run(WINDOW).lost == 1
        assert self.outbox.read_new(5) == []

    def test_entries_that_the_sink_may_have_dropped_by_its_own_rules_are_unverifiable(self) -> None:
        self.answer("old", minute=10)
        self.answer("new", minute=12)
        self.acknowledge()
        self.arrivals.complete_since_ms = 11 * 60_000
        report = self.check.run(WINDOW)
        assert (report.unverifiable, report.repaired) == (1, 1)

    def test_minutes_outside_the_window_are_not_looked_at(self) -> None:
        self.answer("a", minute=9)
        self.answer("b", minute=13)
        assert self.check.run(WINDOW).answered == 0
