import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features.definition import SPARE_TILES
from ml.features.entries import LABEL_SHIFT, TERMINAL_ENTRY
from ml.features.history import History
from ml.features.tile_sums import TileSums, label_borders, payment_borders, sums_of_payments, sums_of_tiles

NOW = 20_000 * DAY_SECONDS + 13 * HOUR_SECONDS + 600

payments = st.lists(
    st.tuples(
        st.integers(-40 * DAY_SECONDS, 4 * HOUR_SECONDS),
        st.integers(1, 10**13),
        st.integers(0, 3),
        st.integers(-40 * DAY_SECONDS, HOUR_SECONDS),
    ),
    min_size=1,
    max_size=20,
)


def entries(rows: list[tuple[int, int, int, int]]) -> NDArray[np.void]:
    result = np.zeros(len(rows), TERMINAL_ENTRY)
    for entry, (age, amount, label, known) in zip(result, rows, strict=True):
        entry["epoch"], entry["known_at"], entry["tag"] = NOW + age, NOW + known, label << LABEL_SHIFT
        entry["amount_low"], entry["amount_high"] = amount & 0xFFFFFFFF, amount >> 32
    return result


def folded(packed: NDArray[np.void]) -> History:
    history = History()
    for entry in packed:
        history = history.folded(entry.tobytes())
    return history


def sums(history: History, *, now: int = NOW, seen: tuple[int, ...] = ()) -> TileSums:
    return sums_of_tiles([history.pack()], np.array([now]), np.array([[0, *seen]]))


@given(payments)
def test_tiles_and_the_payments_in_them_give_the_same_sums(rows: list[tuple[int, int, int, int]]) -> None:
    packed = entries(rows)
    left, right = sums(folded(packed)), sums_of_payments(packed, NOW, np.array([0]))
    for name in ("counts", "amounts", "span", "labels"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_borders_lie_at_the_nearest_hour_or_day() -> None:
    hours = (NOW - payment_borders(np.array([NOW]))[:, 0]) / HOUR_SECONDS
    np.testing.assert_allclose(hours, [1 + 1 / 6, 24 + 1 / 6, 6 * 24 + 13 + 1 / 6, 29 * 24 + 13 + 1 / 6])
    np.testing.assert_array_equal(label_borders(np.array([NOW]))[[0, 1, 3]], payment_borders(np.array([NOW]))[1:])


def test_the_own_hour_counts_as_far_as_it_is_filled_and_later_hours_do_not() -> None:
    history = folded(entries([(0, 1, 0, 0), (-600, 10, 0, 0), (50 * 60, 100, 0, 0)]))
    assert sums(history).amounts[0, 0] == 11


@pytest.mark.parametrize(("known", "counted"), [(-601, 1), (-600, 0), (0, 0)])
def test_a_label_counts_once_its_hour_is_over(known: int, counted: int) -> None:
    history = folded(entries([(-DAY_SECONDS, 1, 2, known)]))
    assert sums(history).labels[1, :, 0].tolist() == [counted] * 4


@pytest.mark.parametrize("later", [SPARE_TILES, SPARE_TILES + 1])
def test_a_late_payment_sees_no_hours_once_too_many_have_followed(later: int) -> None:
    history = folded(entries([(-60, 1, 0, 0)]))
    seen = tuple(NOW + hour * HOUR_SECONDS for hour in range(1, later + 1))
    assert sums(history, seen=seen).counts[:, 0].tolist() == ([1, 1, 1, 1] if later == SPARE_TILES else [0, 0, 1, 1])


def test_rows_without_tiles_stand_beside_those_with() -> None:
    history = folded(entries([(-60, 5, 2, -DAY_SECONDS)])).pack()
    both = sums_of_tiles([b"", history, b""], np.array([NOW] * 3), np.zeros((3, 1), np.int64))
    assert both.counts[0].tolist() == [0, 1, 0]
    assert both.labels[1, 1].tolist() == [0, 1, 0]
