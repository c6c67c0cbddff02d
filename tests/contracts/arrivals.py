"""What every view of a sink's contents does."""

import time

from ml.stores.arrivals.arrivals import Arrivals, Found

SINCE_MS = int(time.time() * 1000) - 60_000


class ArrivalsContract:
    """Subclasses give the `arrivals` of an empty sink, and `deliver` transactions to it."""

    arrivals: Arrivals

    def deliver(self, *transaction_ids: str) -> None:
        raise NotImplementedError

    def test_finds_what_was_delivered_and_nothing_else(self) -> None:
        names = [f"t-{number}" for number in range(200)]
        self.deliver(*names)
        assert self.arrivals.look([*names[:50], "absent"], since_ms=SINCE_MS) == Found(set(names[:50]))
        assert self.arrivals.look(["absent"], since_ms=SINCE_MS) == Found(set())

    def test_an_empty_sink_holds_nothing(self) -> None:
        assert self.arrivals.look(["a"], since_ms=SINCE_MS) == Found(set())

    def test_a_transaction_that_was_delivered_twice_is_found_once(self) -> None:
        self.deliver("a", "b")
        self.deliver("a")
        assert self.arrivals.look(["a", "b"], since_ms=SINCE_MS) == Found({"a", "b"})

    def test_more_ids_than_one_query_takes_are_looked_up(self) -> None:
        self.deliver("t-0", "t-2000")
        found = self.arrivals.look([f"t-{number}" for number in range(2_001)], since_ms=SINCE_MS)
        assert found == Found({"t-0", "t-2000"})
