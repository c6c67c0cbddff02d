from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.amounts import MAX_AMOUNT, parse_amount

AMOUNTS = st.integers(1, 10**13).map(lambda units: Decimal(units) / 10_000)


@pytest.mark.parametrize("written", ["12.3", "12.30", "12.300000", "0012.3", "123e-1", "1.23E+1", "0.123e2"])
def test_a_text_and_a_number_are_the_same_amount(written: str) -> None:
    assert parse_amount(written) == parse_amount(Decimal(written)) == Decimal("12.3")


@pytest.mark.parametrize("value", [100, 100.0, Decimal("1E+2"), "1E+2", "1e2", "100.0000"])
def test_a_hundred_is_a_hundred_however_written(value: Any) -> None:
    assert format(parse_amount(value), "f") == "100"


@given(AMOUNTS, st.integers(0, 10))
def test_every_amount_is_read_as_itself_with_any_trailing_zeros(amount: Decimal, zeros: int) -> None:
    plain = format(amount.normalize(), "f")
    padded = plain + ("" if "." in plain else ".0") + "0" * zeros
    scientific = f"{amount:.16e}"
    assert {parse_amount(padded), parse_amount(scientific), parse_amount(Decimal(padded))} == {amount}


@pytest.mark.parametrize(
    ("value", "what_to_do"),
    [
        (0, "verifications without an amount and refunds cannot be scored"),
        ("0.00", "verifications without an amount and refunds cannot be scored"),
        ("-5", "refunds cannot be scored"),
        (Decimal("-0.01"), "refunds cannot be scored"),
        ("-0", "greater than 0"),
        (1_000_000_001, "at most 1e9"),
        ("1e99", "at most 1e9"),
        (10**4000, "at most 1e9"),
        (1e300, "at most 1e9"),
        (Decimal("1e999999999"), "at most 1e9"),
        ("1.00001", "at most 4 decimals"),
        ("1e-99", "at most 4 decimals"),
        (Decimal("1e-999999999"), "at most 4 decimals"),
        (Decimal("0." + "1" * 4000), "at most 4 decimals"),
        (float("nan"), "finite"),
        (float("-inf"), "finite"),
        (Decimal("NaN"), "finite"),
        ("NaN", "such as"),
        ("Infinity", "such as"),
        ("+5", "such as"),
        (" 5", "no blanks"),
        ("5\n", "no blanks"),
        ("1,00", "no blanks, commas or currency"),
        ("1_000", "such as"),
        ("EUR 5", "such as"),
        (".5", "such as"),
        ("5.", "such as"),
        ("1e1000", "such as"),
        ("9" * 5000, "such as"),
        ("", "such as"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "such as"),
        (True, "a number or a decimal text"),
        (None, "a number or a decimal text"),
        ([1], "a number or a decimal text"),
    ],
)
def test_what_is_no_amount_is_told_what_to_send(value: Any, what_to_do: str) -> None:
    with pytest.raises(ValueError, match=what_to_do):
        parse_amount(value)


@given(st.integers() | st.floats() | st.decimals() | st.text() | st.integers(0, 5000).map(lambda size: 10**size))
def test_whatever_comes_is_an_amount_in_reach_or_refused(value: Any) -> None:
    with suppress(ValueError):
        assert 0 < parse_amount(value) <= MAX_AMOUNT
