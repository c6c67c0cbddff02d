from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.delivery.drain import DeliveryRules, Refusal, drain
from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.outbox import OutboxEntry
from ml.stores.outbox.outbox_memory import MemoryOutbox, MemoryStream

RULES = DeliveryRules(batch_rows=3, batch_bytes=1000, linger_seconds=0.0, max_deliveries=5)


class ListSink:
    """Collects ids; refuses `poison`, is unavailable while `down`, and dies at `killer`.

    While `is_in_part` it defers `waiting`. While `strict` it refuses everybody without certainty. It refuses `odd` so
    at all times, and raises at `bug`; the seal of `forged` does not hold.
    """

    def __init__(self) -> None:
        self.written: list[str] = []
        self.batches: list[list[str]] = []
        self.down = False
        self.strict = False
        self.is_in_part = False

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        if self.down:
            raise StoreUnavailableError("down")
        ids = [entry.transaction_id for entry in entries]
        self.batches.append(ids)
        if "killer" in ids:
            raise SystemExit(1)
        if "bug" in ids:
            raise KeyError("bug")
        if self.strict:
            return [Refusal(entry, "not now", is_certain=False) for entry in entries]
        if self.is_in_part and "waiting" in ids:
            self.written += [name for name in ids if name != "waiting"]
            return [
                Refusal(entry, "a part is away", is_deferred=True)
                for entry in entries
                if entry.transaction_id == "waiting"
            ]
        bad = {"poison", "odd", "forged"}
        self.written += [name for name in ids if name not in bad]
        return [
            Refusal(
                entry,
                entry.transaction_id,
                is_certain=entry.transaction_id == "poison",
                is_seal=entry.transaction_id == "forged",
            )
            for entry in entries
            if entry.transaction_id in bad
        ]


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


def fill(stream: MemoryStream, *names: str) -> MemoryOutbox:
    outbox = MemoryOutbox(stream, "explain")
    for name in names:
        stream.add(name, b"{}")
    return outbox


def test_delivers_everything_in_bounded_batches(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *"abcdefg")
    report = drain(outbox, sink, "explain", rules=RULES)
    assert sink.written == list("abcdefg")
    assert max(map(len, sink.batches)) == 3
    assert (report.delivered, report.refused, report.has_more) == (7, 0, False)
    assert outbox.lag().entries == 0
    assert stream.entries == {}


def test_a_short_batch_waits_once_for_company(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, "a")
    rules = DeliveryRules(batch_rows=3, batch_bytes=1000, linger_seconds=0.05, max_deliveries=5)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if not waits:
            stream.add("b", b"{}")
        waits.append(seconds)

    drain(outbox, sink, "explain", rules=rules, sleep=sleep)
    assert sink.batches == [["a", "b"]]
    assert waits == [0.05]


def test_an_unavailable_sink_costs_no_entry_a_delivery(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *"abcd")
    sink.down = True
    for _ in range(20):
        report = drain(outbox, sink, "explain", rules=RULES)
        assert report.unavailable == "down"
    sink.down = False
    report = drain(outbox, sink, "explain", rules=RULES)
    assert sorted(sink.written) == list("abcd")
    assert report.buried == 0


def test_an_entry_that_waits_for_a_part_of_the_sink_holds_up_nobody_and_is_never_given_up(
    stream: MemoryStream, sink: ListSink
) -> None:
    outbox = fill(stream, "a", "waiting", "b")
    sink.is_in_part = True
    for number in range(20):
        stream.add(f"later-{number}", b"{}")
        report = drain(outbox, sink, "explain", rules=RULES)
        assert (report.deferred >= 1, report.buried, report.refused, report.unavailable) == (True, 0, 0, None)
        assert f"later-{number}" in sink.written
    sink.is_in_part = False
    drain(outbox, sink, "explain", rules=RULES)
    assert sorted(sink.written) == sorted(["a", "b", "waiting", *(f"later-{number}" for number in range(20))])


def test_poison_is_buried_after_its_bound_and_others_flow(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, "a", "poison", "b")
    reports = [drain(outbox, sink, "explain", rules=RULES) for _ in range(5)]
    assert sink.written == ["a", "b"]
    assert [report.buried for report in reports] == [0, 0, 0, 0, 1]
    (letter,) = outbox.dead_letters(5)
    assert (letter.transaction_id, letter.reason) == ("poison", "poison")


def test_a_sink_that_refuses_everybody_is_unavailable_and_blames_nobody(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *"abcdefgh")
    sink.strict = True
    for _ in range(20):
        report = drain(outbox, sink, "explain", rules=RULES)
        assert (report.unavailable, report.buried, report.refused) == ("it takes nothing: not now", 0, 0)
    assert [entry.deliveries for entry in outbox.read_pending(10)] == [0] * 8
    sink.strict = False
    while drain(outbox, sink, "explain", rules=RULES).delivered:
        pass
    assert sorted(sink.written) == list("abcdefgh")
    assert outbox.lag().entries == 0


def test_a_sink_that_refuses_everybody_is_asked_for_few_entries(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *map(str, range(100)))
    sink.strict = True
    for drains in range(1, 6):
        drain(outbox, sink, "explain", rules=RULES)
        assert len(outbox.read_pending(100)) == 3 + drains


@pytest.mark.parametrize("fault", ["odd", "bug"])
def test_an_entry_that_may_be_at_fault_is_convicted_by_others_that_are_taken(
    stream: MemoryStream, sink: ListSink, fault: str
) -> None:
    outbox = fill(stream, "a", fault, "b")
    reports = []
    for number in range(7):
        reports.append(drain(outbox, sink, "explain", rules=RULES))
        stream.add(f"later-{number}", b"{}")
    assert sum(report.buried for report in reports) == 1
    assert sorted(sink.written) == ["a", "b", *(f"later-{number}" for number in range(6))]
    (letter,) = outbox.dead_letters(5)
    assert letter.transaction_id == fault
    assert fault in letter.reason


@pytest.mark.parametrize("fault", ["odd", "bug"])
def test_an_entry_that_may_be_at_fault_waits_for_another_one_and_stops_none(
    stream: MemoryStream, sink: ListSink, fault: str
) -> None:
    outbox = fill(stream, fault)
    for _ in range(20):
        report = drain(outbox, sink, "explain", rules=RULES)
        assert report.unavailable is not None
        assert report.buried == 0
    for name in "abcdefgh":
        stream.add(name, b"{}")
    report = drain(outbox, sink, "explain", rules=RULES)
    assert report.unavailable is None
    assert sink.written == list("abcdefgh")


def test_entries_of_a_stranger_do_not_hide_those_behind_them(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *["forged"] * 11, "a", "b")
    report = drain(outbox, sink, "explain", rules=RULES)
    assert sink.written == ["a", "b"]
    assert (report.delivered, report.refused, report.unavailable) == (2, 11, None)


def test_while_no_seal_holds_a_drain_reads_a_bounded_part(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *["forged"] * 40)
    report = drain(outbox, sink, "explain", rules=RULES)
    assert sum(map(len, sink.batches)) <= 5 * RULES.batch_rows
    assert report.unavailable == "it takes nothing: forged"
    assert (report.refused, report.buried) == (0, 0)


def test_a_bug_at_one_entry_holds_up_no_neighbour_of_an_idle_stream(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, "a", "bug", "b")
    report = drain(outbox, sink, "explain", rules=RULES)
    assert sink.written == ["a", "b"]
    assert sink.batches == [["a", "bug", "b"], ["a"], ["bug"], ["b"]]
    assert (report.delivered, report.refused, report.unavailable) == (2, 1, None)


def test_a_refused_entry_waits_twice_as_long_each_time(stream: MemoryStream, sink: ListSink) -> None:
    now = [0.0]
    outbox = MemoryOutbox(stream, "explain", retry_seconds=1.0, clock=lambda: now[0])
    stream.add("poison", b"{}")
    tries = []
    for second in range(40):
        now[0] = float(second)
        before = len(sink.batches)
        drain(outbox, sink, "explain", rules=RULES)
        tries += [second] * (len(sink.batches) - before)
    assert tries == [0, 1, 3, 7, 15]
    assert len(outbox.dead_letters(5)) == 1


def test_an_entry_for_another_sink_leaves_what_is_awaited(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, "a")
    MemoryOutbox(stream, "publish")
    stream.add("a", b"{}", only="publish")
    sink.down = True
    drain(outbox, sink, "explain", rules=RULES)
    outbox.pass_over(outbox.read_new(5))
    assert set(stream.awaiting["explain"]) == {"a"}


def test_an_entry_that_kills_its_worker_is_buried_alone(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, "a", "killer", "b")
    for _ in range(5):
        with pytest.raises(SystemExit):
            drain(outbox, sink, "explain", rules=RULES)
    drain(outbox, sink, "explain", rules=RULES)
    assert sorted(sink.written) == ["a", "b"]
    assert [letter.transaction_id for letter in outbox.dead_letters(5)] == ["killer"]


def test_entries_for_another_group_are_passed_over(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, "a")
    stream.add("elsewhere", b"{}", only="publish")
    stream.add("mine", b"{}", only="explain")
    drain(outbox, sink, "explain", rules=RULES)
    assert sink.written == ["a", "mine"]
    assert outbox.lag().entries == 0


def test_the_budget_ends_a_drain_that_has_more(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *"abcdef")
    ticks = iter(range(100))
    rules = DeliveryRules(batch_rows=2, batch_bytes=1000, linger_seconds=0.0, max_deliveries=5, budget_seconds=1.5)
    report = drain(outbox, sink, "explain", rules=rules, clock=lambda: float(next(ticks)))
    assert report.has_more
    assert sink.written == ["a", "b", "c", "d"]


def test_a_write_takes_no_more_bytes_than_allowed(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream)
    for name, size in (("a", 40), ("b", 60), ("c", 1), ("large", 500), ("d", 10)):
        stream.add(name, b"x" * size)
    rules = DeliveryRules(batch_rows=10, batch_bytes=100, linger_seconds=0.0, max_deliveries=5)
    drain(outbox, sink, "explain", rules=rules)
    assert sink.batches == [["a", "b"], ["c"], ["large"], ["d"]]
    assert outbox.lag().entries == 0


def test_parts_that_were_not_written_cost_no_delivery_either(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream)
    for name in "abc":
        stream.add(name, b"x" * 100)
    sink.down = True
    rules = DeliveryRules(batch_rows=10, batch_bytes=100, linger_seconds=0.0, max_deliveries=5)
    for _ in range(20):
        drain(outbox, sink, "explain", rules=rules)
    assert [entry.deliveries for entry in outbox.read_pending(10)] == [0, 0, 0]


def test_a_process_that_stops_finishes_its_batch_and_leaves_the_rest(stream: MemoryStream, sink: ListSink) -> None:
    outbox = fill(stream, *"abcdef")
    report = drain(outbox, sink, "explain", rules=RULES, is_stopping=lambda: bool(sink.written))
    assert sink.written == ["a", "b", "c"]
    assert report.has_more
    assert outbox.read_pending(10) == []
    assert [entry.transaction_id for entry in outbox.read_new(10)] == ["d", "e", "f"]


@given(
    names=st.lists(st.sampled_from(["ok", "poison"]), max_size=20),
    outages=st.lists(st.booleans(), min_size=1, max_size=15),
)
def test_nothing_is_lost_whatever_fails(names: list[str], outages: list[bool]) -> None:
    stream, sink = MemoryStream(), ListSink()
    outbox = fill(stream, *names)
    # Five deliveries for each batch of poison, which may fill every batch.
    for down in [*outages, *[False] * 5 * 7]:
        sink.down = down
        drain(outbox, sink, "explain", rules=RULES)
    assert sink.written.count("ok") == names.count("ok")
    assert len(outbox.dead_letters(100)) == names.count("poison")
    assert outbox.lag().entries == 0
