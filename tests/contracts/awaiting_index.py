"""What every index of unacknowledged transactions does."""

import time

from ml.stores.outbox.awaiting import Awaiting, AwaitingIndex
from ml.stores.outbox.outbox import Outbox
from security.messages.stored_seal import split

NOW_MS = time.time_ns() // 1_000_000


class AwaitingIndexContract:
    """Subclasses give `index` and `outbox` of the sink `explain`, `other` of `publish`, and three ways to change them.

    `answer` puts a transaction into the stream and notes it as awaited by both sinks since a moment; `lose_stream`
    removes every entry of the stream.
    """

    index: AwaitingIndex
    other_index: AwaitingIndex
    outbox: Outbox
    other: Outbox

    def answer(self, transaction_id: str, since_ms: int) -> None:
        raise NotImplementedError

    def lose_stream(self) -> None:
        raise NotImplementedError

    def test_the_longest_waiting_come_first(self) -> None:
        for name, age_ms in (("a", 3_000), ("b", 2_000), ("c", 1_000)):
            self.answer(name, NOW_MS - age_ms)
        assert self.index.overdue(before_ms=NOW_MS - 2_000, count=10) == [
            Awaiting("a", NOW_MS - 3_000),
            Awaiting("b", NOW_MS - 2_000),
        ]
        assert self.index.overdue(before_ms=NOW_MS, count=1) == [Awaiting("a", NOW_MS - 3_000)]

    def test_returns_which_transactions_are_awaited(self) -> None:
        self.answer("a", NOW_MS)
        assert self.index.awaiting(["a", "b"]) == {"a"}
        assert self.index.awaiting([]) == set()

    def test_the_stream_holds_what_it_has_not_lost(self) -> None:
        self.answer("a", NOW_MS - 10_000)
        overdue = self.index.overdue(before_ms=NOW_MS, count=10)
        assert self.index.held(overdue) == {"a"}
        self.lose_stream()
        assert self.index.held(overdue) == set()

    def test_the_dead_letters_hold_what_was_given_up(self) -> None:
        self.answer("a", NOW_MS)
        self.outbox.bury(self.outbox.read_new(1)[0], "poison")
        self.lose_stream()
        assert self.index.held(self.index.overdue(before_ms=NOW_MS, count=10)) == {"a"}

    def test_an_acknowledged_transaction_is_awaited_by_the_other_sink_alone(self) -> None:
        self.answer("a", NOW_MS)
        self.answer("b", NOW_MS)
        self.index.acknowledge(["a"])
        self.index.acknowledge([])
        assert self.index.awaiting(["a", "b"]) == {"b"}
        assert self.other_index.awaiting(["a", "b"]) == {"a", "b"}

    def test_the_outbox_acknowledges_for_its_sink_alone(self) -> None:
        self.answer("a", NOW_MS)
        self.outbox.acknowledge(self.outbox.read_new(1))
        assert self.index.awaiting(["a"]) == set()
        assert self.other_index.awaiting(["a"]) == {"a"}

    def test_an_entry_for_the_other_sink_takes_no_mark_away(self) -> None:
        self.answer("a", NOW_MS)
        assert self.other_index.repair("a", b"{}", awaited_since_ms=NOW_MS)
        entries = self.outbox.read_new(5)
        assert [entry.only for entry in entries] == [None, "publish"]
        self.outbox.pass_over(entries[1:])
        assert self.index.awaiting(["a"]) == {"a"}
        assert self.other_index.awaiting(["a"]) == {"a"}

    def test_a_repaired_event_is_awaited_and_meant_for_its_sink_alone(self) -> None:
        assert self.index.repair("a", b'{"repaired":true}', awaited_since_ms=None)
        (entry,) = self.outbox.read_new(5)
        assert (entry.transaction_id, entry.only) == ("a", "explain")
        assert split(entry.body)[0] == b'{"repaired":true}'
        assert self.index.awaiting(["a"]) == {"a"}
        assert self.other_index.awaiting(["a"]) == set()
        later = time.time_ns() // 1_000_000 + 1_000
        assert self.index.held(self.index.overdue(before_ms=later, count=1)) == {"a"}

    def test_what_was_acknowledged_or_repaired_meanwhile_is_not_repaired(self) -> None:
        self.answer("a", NOW_MS - 10_000)
        entries = self.outbox.read_new(5)
        assert not self.index.repair("a", b"{}", awaited_since_ms=None)
        assert not self.index.repair("a", b"{}", awaited_since_ms=NOW_MS)
        assert self.index.repair("a", b"{}", awaited_since_ms=NOW_MS - 10_000)
        assert not self.index.repair("a", b"{}", awaited_since_ms=NOW_MS - 10_000)
        self.outbox.acknowledge(entries)
        assert not self.index.repair("a", b"{}", awaited_since_ms=NOW_MS - 10_000)
        assert len(self.outbox.read_new(5)) == 1
