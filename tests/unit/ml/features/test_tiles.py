import pytest

from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features.entries import LABEL_FRAUD, LABEL_LEGITIMATE, LABEL_ORDINARY_FRAUD
from ml.features.tiles import LABEL_TILE_BYTES, MAX_NUMBER, TILE_BYTES, Payment, add_label, add_payment


def number(part: bytes) -> int:
    return int.from_bytes(part, "little")


def paid(tiles: bytes, epoch: int, amount: int = 7, *, sign: int = 1) -> bytes:
    return add_payment(tiles, Payment(epoch, amount, 0, 0), sign, width=HOUR_SECONDS, limit=3)


def test_a_tile_holds_its_start_its_payments_and_their_sum() -> None:
    tiles = paid(paid(b"", 5 * HOUR_SECONDS), 5 * HOUR_SECONDS + 3_599, 10)
    assert (number(tiles[:3]), number(tiles[3:6]), number(tiles[6:])) == (5, 2, 17)
    assert len(tiles) == TILE_BYTES


def test_tiles_stand_in_time_order_and_the_oldest_is_dropped() -> None:
    tiles = b""
    for hour in (4, 9, 2, 7):
        tiles = paid(tiles, hour * HOUR_SECONDS)
    assert [number(tiles[at : at + 3]) for at in range(0, len(tiles), TILE_BYTES)] == [4, 7, 9]


def test_what_is_taken_back_leaves_nothing() -> None:
    before = paid(b"", HOUR_SECONDS)
    assert paid(paid(before, 8 * HOUR_SECONDS), 8 * HOUR_SECONDS, sign=-1) == before
    assert paid(before, 8 * HOUR_SECONDS, sign=-1) == before


def test_a_full_sum_stays_full() -> None:
    tiles = paid(paid(b"", 0, MAX_NUMBER), 0, 5)
    assert number(tiles[6:]) == MAX_NUMBER


@pytest.mark.parametrize(
    ("label", "counts"), [(LABEL_LEGITIMATE, (1, 0, 0)), (LABEL_FRAUD, (1, 1, 0)), (LABEL_ORDINARY_FRAUD, (1, 1, 1))]
)
def test_a_label_counts_in_the_day_in_which_it_became_known(label: int, counts: tuple[int, int, int]) -> None:
    tiles = add_label(b"", label, 3 * DAY_SECONDS + 5, 1, width=DAY_SECONDS, limit=3)
    assert len(tiles) == LABEL_TILE_BYTES
    assert number(tiles[:3]) == 3
    assert (number(tiles[3:6]), number(tiles[6:8]), number(tiles[8:])) == counts
    assert add_label(tiles, label, 3 * DAY_SECONDS, -1, width=DAY_SECONDS, limit=3) == b""
