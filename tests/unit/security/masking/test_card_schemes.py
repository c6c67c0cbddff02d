import random
from collections.abc import Callable

import pytest

from security.masking.card_schemes import holds_card_number

# Numbers that the schemes publish for tests.
CARDS = [
    "4111111111111111",
    "4222222222222",
    "4000000000000000006",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "36227206271667",
    "6011111111111117",
    "3530111333300000",
    "6250941006528599",
    "6304000000000000",
    "2200000000000004",
    "9792000000000003",
    "1234567812345670",
]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("gap", ["", " ", "-", "    ", "\u00a0", ":", "."])
def test_a_number_of_a_scheme_is_found_in_groups_or_not(card: str, gap: str) -> None:
    written = gap.join(card[at : at + 4] for at in range(0, len(card), 4))
    for text in (written, f"card={written}", f"pan{written}x", f"5 {written}", f"order 17, {written}, thanks"):
        assert holds_card_number(text), text


@pytest.mark.parametrize("card", CARDS)
def test_a_wrong_check_digit_is_no_card_number(card: str) -> None:
    assert not holds_card_number(card[:-1] + str((int(card[-1]) + 1) % 10))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "electronics",
        "490154203237518",  # an IMEI, each of which passes the Luhn check
        "356938035643809",
        "8944500102198304826",  # the number of a SIM card, likewise
        "+4915112345672 +44 7911 123456 7",
        "2026-11-23T14:03:27.123456789Z",
        "2026-11-23 14:03:27.123456",
        "20261123140327",
        "1764115200123",
        "4111 1111 1111",
        "**** **** **** 1111",
        "192.168.100.200:44321",
        "8a2e0370-7334-4f00-9a1a-4455aabbccdd",
    ],
)
def test_numbers_of_other_kinds_are_none(text: str) -> None:
    assert not holds_card_number(text)


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda draws: draws.randbytes(16).hex(), 0.005),
        (lambda draws: str(draws.randrange(1_500_000_000_000_000, 1_900_000_000_000_000)), 0.0),
        (lambda draws: f"t-20261123-{draws.randrange(10**6):06d}", 0.0),
        (lambda draws: f"+49 151 {draws.randrange(10**8):08d}", 0.0),
        (lambda draws: str(draws.randrange(10**12)), 0.0),
        (lambda draws: str(draws.randrange(10**14, 10**15)), 0.02),
        (lambda draws: str(draws.randrange(10**15, 10**16)), 0.12),
    ],
    ids=["32 hex", "epoch microseconds", "dated id", "phone", "12 digits", "15 digits", "16 digits"],
)
def test_ids_that_merely_look_alike_are_rarely_taken_for_one(make: Callable[[random.Random], str], most: float) -> None:
    draws = random.Random(7)
    assert sum(holds_card_number(make(draws)) for _ in range(3000)) <= most * 3000
