from collections.abc import Collection
from itertools import count

import pytest

from ml.domain.errors import StoreUnavailableError
from ml.stores.explanations.explanations_memory import MemoryExplanationStore
from ops.proving.demo import arrivals
from ops.proving.demo.arrivals import Patience, wait_for_stored

IDS = [f"t{number}" for number in range(10)]


class SlowStore(MemoryExplanationStore):
    """Holds one transaction more at each look, up to a number; every third look fails."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._looks = count(1)
        self._most = most

    def existing(self, transaction_ids: Collection[str]) -> set[str]:
        look = next(self._looks)
        if look % 3 == 0:
            raise StoreUnavailableError("busy")
        return set(IDS[: min(look, self._most)]) & set(transaction_ids)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "_POLL_SECONDS", 0)


def patience(seconds: float) -> Patience:
    """Returns one for a clock that goes on by ten seconds at each look."""
    ticks = count()
    return Patience(seconds, clock=lambda: 10.0 * next(ticks))


def test_a_sink_that_gets_on_is_waited_for_however_slow_it_is() -> None:
    counted: list[int] = []
    found = wait_for_stored(SlowStore(10), IDS, patience=patience(25), on_count=counted.append)
    assert found.distinct == 10
    assert counted == [1, 2, 2, 4, 5, 5, 7, 8, 8, 10]


def test_a_sink_that_takes_nothing_more_is_given_up() -> None:
    found = wait_for_stored(SlowStore(4), IDS, patience=patience(25), on_count=lambda _: None)
    assert found.distinct == 4


def test_no_patience_lasts_for_ever() -> None:
    growing = patience(25)
    assert next(number for number in count() if growing.is_over(number)) == 90
