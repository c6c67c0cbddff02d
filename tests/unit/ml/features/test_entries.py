import numpy as np
import pytest

from ml.data.table import NEVER
from ml.features.entries import (
    CUSTOMER_ENTRY,
    LABEL_FRAUD,
    LABEL_LEGITIMATE,
    LABEL_ORDINARY_FRAUD,
    TERMINAL_ENTRY,
    amount_units,
    country_code,
    encode,
    is_same_outcome,
    label_code,
    labels,
    short_hash,
    transaction_key,
)
from tests.contracts.feature_store import payment


def test_entries_hold_the_transaction() -> None:
    transaction = payment(1, amount="999999999.9999")
    customer, terminal = encode(transaction)
    assert customer[: TERMINAL_ENTRY.itemsize] == terminal
    assert customer[:8] == transaction_key("p1")
    decoded = np.frombuffer(customer, CUSTOMER_ENTRY)
    assert decoded["epoch"] == transaction.epoch_seconds
    assert decoded["known_at"] == NEVER
    assert amount_units(decoded) == transaction.amount_units
    assert decoded["tag"] == country_code("DE")
    assert labels(decoded) == 0
    assert (decoded["terminal"][0], decoded["device"][0]) == (short_hash("t1"), short_hash("d1"))


@pytest.mark.parametrize(
    ("is_fraud", "ratio", "label"),
    [
        (False, 1.0, LABEL_LEGITIMATE),
        (False, None, LABEL_LEGITIMATE),
        (True, None, LABEL_FRAUD),
        (True, 2.0, LABEL_ORDINARY_FRAUD),
        (True, 2.000_000_4, LABEL_ORDINARY_FRAUD),  # what a stored vector has rounded to 2
        (True, 2.000_001, LABEL_FRAUD),
    ],
)
def test_a_label_says_whether_the_amount_explains_a_fraud(*, is_fraud: bool, ratio: float | None, label: int) -> None:
    assert label_code(is_fraud=is_fraud, amount_ratio=ratio) == label


def test_fraud_and_ordinary_fraud_are_one_outcome() -> None:
    assert is_same_outcome(LABEL_FRAUD, LABEL_ORDINARY_FRAUD)
    assert is_same_outcome(LABEL_LEGITIMATE, LABEL_LEGITIMATE)
    assert not is_same_outcome(LABEL_LEGITIMATE, LABEL_FRAUD)
    assert not is_same_outcome(0, LABEL_LEGITIMATE)
