from hypothesis import given
from hypothesis import strategies as st

from ml.features.history import (
    CUSTOMER_ENTRY,
    LABEL_FRAUD,
    LABEL_SHIFT,
    TERMINAL_ENTRY,
    country_code,
    encode,
    insert,
    relabel,
    short_hash,
    transaction_key,
)
from ml.table import NEVER
from tests.contracts.feature_store import payment

CAPACITY = 5


def entry(number: int, at: int) -> bytes:
    return encode(payment(number, at=at))[1]


def epochs(ring: bytes) -> list[int]:
    size = TERMINAL_ENTRY.itemsize
    return [int.from_bytes(ring[start + 8 : start + 12], "little") for start in range(0, len(ring), size)]


@given(st.lists(st.integers(0, 20), max_size=30))
def test_a_ring_is_what_sorting_and_cutting_everything_gives(times: list[int]) -> None:
    ring, entries = b"", []
    for number, at in enumerate(times):
        new = entry(number, at)
        past, ring = insert(ring, new, capacity_bytes=CAPACITY * len(new))
        assert all(epoch <= epochs(new)[0] for epoch in epochs(past))
        entries.append(new)
    newest = sorted(entries, key=lambda item: epochs(item)[0])[-CAPACITY:]
    assert ring == b"".join(newest)


def test_a_hash_that_straddles_two_entries_is_not_a_transaction() -> None:
    size = TERMINAL_ENTRY.itemsize
    ring = bytes(20) + b"ABCDEFGH" + bytes(2 * size - 28)
    new = b"ABCDEFGH" + bytes(size - 8)
    assert insert(ring, new, capacity_bytes=10 * size)[1] == ring + new
    key = int.from_bytes(b"ABCDEFGH", "little")
    assert relabel(ring, key, entry_bytes=size, label=LABEL_FRAUD, known_at=1) is None


def test_entries_hold_the_transaction() -> None:
    import numpy as np

    transaction = payment(1, amount="999999999.9999")
    customer, terminal = encode(transaction)
    assert customer[: TERMINAL_ENTRY.itemsize] == terminal
    decoded = np.frombuffer(customer, CUSTOMER_ENTRY)[0]
    assert decoded["transaction"] == transaction_key("p1")
    assert decoded["epoch"] == transaction.epoch_seconds
    assert decoded["known_at"] == NEVER
    assert int(decoded["amount_low"]) + (int(decoded["amount_high"]) << 32) == transaction.amount_units
    assert decoded["tag"] == country_code("DE")
    assert (decoded["terminal"], decoded["device"]) == (short_hash("t1"), short_hash("d1"))


def test_a_label_moves_only_its_own_bits() -> None:
    ring = entry(1, 5)
    changed = relabel(ring, transaction_key("p1"), entry_bytes=len(ring), label=LABEL_FRAUD, known_at=77)
    assert changed is not None
    assert changed[:12] == ring[:12]
    assert changed[16:22] == ring[16:22]
    assert int.from_bytes(changed[12:16], "little") == 77
    assert int.from_bytes(changed[22:24], "little") == country_code("DE") | LABEL_FRAUD << LABEL_SHIFT
