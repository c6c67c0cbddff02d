import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.features.entries import KEY_BYTES, LABEL_FRAUD, LABEL_ORDINARY_FRAUD, TERMINAL_ENTRY, encode, transaction_key
from ml.features.history import (
    AppliedOutcome,
    ForeignLayoutError,
    History,
    Shape,
    current,
    find_entry,
    is_foreign,
    relabel,
    remember,
    view_before,
)
from tests.contracts.feature_store import DAY, payment

SHAPE = Shape(TERMINAL_ENTRY, newest=3, slack=2)
SIZE = TERMINAL_ENTRY.itemsize


def entry(number: int, at: int, amount: str = "1") -> bytes:
    return encode(payment(number, at=at, amount=amount))[1]


def lived(times: list[int]) -> bytes:
    packed = b""
    for number, at in enumerate(times):
        packed = remember(packed, entry(number, at), SHAPE)
    return packed


def numbers(tiles: bytes, fields: tuple[int, ...]) -> list[tuple[int, ...]]:
    size, rows = sum(fields), []
    for start in range(0, len(tiles), size):
        row, at = [], start
        for field in fields:
            row.append(int.from_bytes(tiles[at : at + field], "little"))
            at += field
        rows.append(tuple(row))
    return rows


def days(packed: bytes) -> list[tuple[int, ...]]:
    return [(day - 20_454, *rest) for day, *rest in numbers(History.unpack(packed).days, (3, 3, 7))]


def test_entries_stand_in_order_of_arrival_and_the_first_make_room() -> None:
    times = [50, 10, 40, 20, 60, 30, 70]
    packed = lived(times)
    kept = [entry(number, at) for number, at in enumerate(times)][-SHAPE.capacity :]
    assert History.unpack(packed).entries == b"".join(kept)


def test_a_payment_is_folded_into_the_hour_and_day_in_which_it_was_made() -> None:
    packed = lived([5, 2 * DAY, 10, 3 * DAY, 3 * DAY, 3 * DAY])
    assert days(packed) == [(0, 2, 20_000), (2, 1, 10_000)]
    assert [row[1:] for row in numbers(History.unpack(packed).hours, (3, 3, 7))] == [(2, 20_000), (1, 10_000)]


def test_an_entity_that_is_not_busy_has_no_tiles() -> None:
    packed = lived([1, 2, 3])
    assert not History.unpack(packed).has_tiles
    assert view_before(packed, b"unknown!", SHAPE).tiles == b""
    assert History.unpack(lived([1, 2, 3, 4])).has_tiles


def test_the_newest_tiles_are_kept() -> None:
    packed = lived([day * DAY for day in range(60)])
    assert [day for day, *_ in days(packed)] == list(range(57 - 34, 57))
    late = remember(packed, entry(99, 5), SHAPE)
    for number in range(3):
        late = remember(late, entry(100 + number, 60 * DAY), SHAPE)
    assert [day for day, *_ in days(late)] == list(range(60 - 34, 60))


@given(st.lists(st.integers(0, 4 * DAY), min_size=1, max_size=20), st.data())
def test_a_view_does_not_depend_on_what_came_after_it(times: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(max(0, len(times) - 1 - SHAPE.slack), len(times) - 1))
    key = transaction_key(f"p{place}")
    assert view_before(lived(times), key, SHAPE) == view_before(lived(times[:place]), key, SHAPE)


def test_a_ring_of_the_first_layout_is_brought_up_to_date_with_its_newest_payments() -> None:
    ring = b"".join(entry(number, number) for number in range(5))
    assert current(ring, SHAPE) == History(entries=ring[-SHAPE.newest * SIZE :]).pack()
    assert current(lived_once(), SHAPE) == lived_once()
    assert current(b"", SHAPE) == b""


@pytest.mark.parametrize(
    "packed",
    [b"F3" + bytes(6 + SIZE), b"F9", bytes(SIZE + 1), b"F2", b"F2" + bytes(7 + SIZE), b"F2\1" + bytes(5)],
)
def test_what_only_another_version_reads_is_told_from_what_this_one_wrote(packed: bytes) -> None:
    assert is_foreign(packed, SHAPE)
    with pytest.raises(ForeignLayoutError):
        current(packed, SHAPE)


def lived_once() -> bytes:
    return remember(b"", entry(1, 5), SHAPE)


def test_a_hash_that_straddles_two_entries_is_not_a_transaction() -> None:
    straddling = bytes(20) + b"ABCDEFGH" + bytes(2 * SIZE - 28)
    packed = History(entries=straddling).pack()
    new = b"ABCDEFGH" + bytes(SIZE - KEY_BYTES)
    assert find_entry(packed, b"ABCDEFGH", SHAPE) is None
    assert relabel(packed, b"ABCDEFGH", SHAPE, new=AppliedOutcome(LABEL_FRAUD, 1)) is None
    assert History.unpack(remember(packed, new, SHAPE)).entries == straddling + new


def test_a_packed_history_comes_apart_as_it_was() -> None:
    packed = lived([5, 2 * DAY, 10, 3 * DAY, 3 * DAY, 3 * DAY])
    packed = relabel(packed, transaction_key("p0"), SHAPE, new=AppliedOutcome(LABEL_FRAUD, 1_800_000_000)) or b""
    history = History.unpack(packed)
    assert history.pack() == packed
    assert all((history.hours, history.days, history.label_hours, history.label_days, history.label_keys))


@pytest.mark.parametrize("place", [0, 4])
def test_a_label_moves_only_its_own_bits(place: int) -> None:
    packed = lived([1, 2, 3, 4, 5])
    changed = relabel(packed, transaction_key(f"p{place}"), SHAPE, new=AppliedOutcome(LABEL_ORDINARY_FRAUD, 77))
    before = np.frombuffer(History.unpack(packed).entries, TERMINAL_ENTRY)
    after = np.frombuffer(History.unpack(changed or b"").entries, TERMINAL_ENTRY).copy()
    assert (after["known_at"][place], after["tag"][place] >> 14) == (77, LABEL_ORDINARY_FRAUD)
    after["known_at"][place], after["tag"][place] = before["known_at"][place], before["tag"][place]
    np.testing.assert_array_equal(before, after)
