"""Card numbers: 13 to 19 digits of any script, in groups or not, that pass the Luhn check; the last four stay.

Written times are no part of one: dates such as `2026-11-23` and `20261123`, with a time of day or not, and epoch
milliseconds to nanoseconds. No scheme issues numbers that begin so, and one id in ten of those that begin with a date
would pass the check by chance.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from security.masking.stars import starred

MIN_CARD_DIGITS = 13
MAX_CARD_DIGITS = 19

# White space; hyphens, dashes, minus and middle dots of all scripts; dot, slash, underscore, plus, colon, which ids may
# hold too; marks without width.
_DASHES = "\\-\u058a\u05be\u1400\u1806\u2010-\u2015\u2043\u207b\u208b\u2212\u2e3a\u2e3b\ufe31\ufe32\ufe58\ufe63\uff0d"
_DOTS = "._/+:\u00b7\u2022\u2024\u2027\u2044\u2215\u2219\u22c5\u30fb\uff0e\uff0f\uff1a\uff3f"
_MARKS = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff"
GAP = rf"[\s{_DASHES}{_DOTS}{_MARKS}]"
"""What may stand between two groups of digits, as a class of a regular expression."""

MAX_GAP_CHARACTERS = 8
_DIGIT_RUN = re.compile(rf"\d(?:{GAP}{{0,{MAX_GAP_CHARACTERS}}}\d){{{MIN_CARD_DIGITS - 1},}}")
_DIGITS = re.compile(r"\d+")
_WRITTEN_TIME = re.compile(
    r"(?<!\d)(?:19|20)\d\d(?P<dash>[-/.]?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12]\d|3[01])"
    r"(?:(?:[01]\d|2[0-3])(?:[0-5]\d){1,2}(?:\d{3}){0,2})?(?!\d)"
    r"|(?<![\d:])(?:[01]\d|2[0-3]):[0-5]\d:[0-6]\d(?:[.,]\d{1,9})?(?![\d:])"
    r"|(?<!\d)1[4-9]\d{11}(?:\d{3}){0,2}(?!\d)",
    re.ASCII,
)


def mask_cards(text: str) -> str:
    """Returns the text with every card number in it masked."""
    return _DIGIT_RUN.sub(_masked_cards, text) if _has_enough_digits(text) else text


def numbers_in(text: str) -> Iterator[tuple[int, str]]:
    """Yields every number of a card's length in the text that passes the check: where it begins, and its digits."""
    if _has_enough_digits(text):
        for match in _DIGIT_RUN.finditer(text):
            for number in _card_numbers(match[0]):
                yield match.start() + number[0], "".join(str(int(match[0][place])) for place in number)


def _has_enough_digits(text: str) -> bool:
    # Counting is far cheaper than searching, and most texts have too few digits; other scripts' are not counted.
    if len(text) < MIN_CARD_DIGITS:
        return False
    return not text.isascii() or sum(map(text.count, "0123456789")) >= MIN_CARD_DIGITS


def _masked_cards(match: re.Match[str]) -> str:
    run = match[0]
    hidden = {place for number in _card_numbers(run) for place in number[:-4]}
    return starred(run, hidden) if hidden else run


def _card_numbers(run: str) -> Iterator[Sequence[int]]:
    """Yields the places of the digits of every card number in a run of digit groups, looking on both sides of times."""
    start = 0
    for time in _WRITTEN_TIME.finditer(run):
        yield from _numbers_between(run, start, time.start())
        start = time.end()
    yield from _numbers_between(run, start, len(run))


def _numbers_between(run: str, start: int, end: int) -> Iterator[Sequence[int]]:
    """Yields those between two places; other numbers may stand beside one, so all sequences of whole groups count."""
    if end - start < MIN_CARD_DIGITS:
        return
    groups = [found.span() for found in _DIGITS.finditer(run, start, end)]
    places = [place for group in groups for place in range(*group)]
    sums = _luhn_sums([int(run[place]) for place in places])
    first = 0
    for number, group in enumerate(groups):
        last = first
        for other_start, other_end in groups[number : number + MAX_CARD_DIGITS]:
            last += other_end - other_start
            if last - first > MAX_CARD_DIGITS:
                break
            if last - first >= MIN_CARD_DIGITS and (sums[last % 2][last] - sums[last % 2][first]) % 10 == 0:
                yield places[first:last]
        first += group[1] - group[0]


def _luhn_sums(digits: list[int]) -> tuple[list[int], list[int]]:
    """Returns running Luhn sums for numbers that end before an even, and before an odd position.

    The difference between two entries is the Luhn sum of the digits between them; a valid number's ends in 0.
    Source: ISO/IEC 7812-1, annex B.
    """
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits]
    pairs = list(zip(digits, doubled, strict=True))
    ends_even = accumulate((pair[at % 2 == 0] for at, pair in enumerate(pairs)), initial=0)
    ends_odd = accumulate((pair[at % 2 == 1] for at, pair in enumerate(pairs)), initial=0)
    return list(ends_even), list(ends_odd)
