"""International bank account numbers: country and last four characters stay."""

import re

from security.masking.cards import GAP, MAX_GAP_CHARACTERS
from security.masking.stars import starred

MIN_IBAN_CHARACTERS = 15
MAX_IBAN_CHARACTERS = 34

# Source: SWIFT's IBAN registry.
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}

# The longest run of letters and digits that could be one; each start is looked at once, and no further than this.
_CANDIDATE = re.compile(
    rf"[A-Za-z]{{2}}\d{{2}}(?:{GAP}{{0,{MAX_GAP_CHARACTERS}}}[A-Za-z\d])"
    rf"{{{MIN_IBAN_CHARACTERS - 4},{MAX_IBAN_CHARACTERS - 4}}}"
)


def mask_ibans(text: str) -> str:
    """Returns the text with every IBAN in it masked."""
    if len(text) < MIN_IBAN_CHARACTERS:
        return text
    hidden: list[int] = []
    at = 0
    while match := _CANDIDATE.search(text, at):
        places = _iban_places(text, match)
        hidden += places[2:-4]
        at = places[-1] + 1 if places else match.start() + 1
    return starred(text, hidden) if hidden else text


def _iban_places(text: str, match: re.Match[str]) -> list[int]:
    """Returns the positions of the characters of the IBAN that begins where the match does; empty if none does.

    An IBAN of its country's length is found wherever it stands; one of another length, or of a country that the
    registry does not know, only where neither letter nor digit touches it: hexadecimal ids would fit too often.
    """
    start = match.start()
    registered = IBAN_LENGTHS.get(text[start : start + 2].upper())
    is_touched = start > 0 and text[start - 1].isalnum()
    if is_touched and registered is None:
        return []
    places = [place for place in range(start, match.end()) if text[place].isalnum()]
    valid = _valid_iban_lengths("".join(text[place] for place in places))
    if registered in valid:
        return places[:registered]
    if is_touched:
        return []
    for length in valid:
        after = places[length - 1] + 1
        if after == len(text) or not text[after].isalnum():
            return places[:length]
    return []


def _valid_iban_lengths(characters: str) -> list[int]:
    """Returns the lengths, longest first, at which the characters pass. Source: ISO 7064, mod 97-10."""
    country_and_check = int("".join(str(int(character, 36)) for character in characters[:4]))
    remainder, lengths = 0, []
    for length, character in enumerate(characters[4:], start=5):
        value = int(character, 36)
        remainder = (remainder * (100 if value > 9 else 10) + value) % 97
        if length >= MIN_IBAN_CHARACTERS and (remainder * 1_000_000 + country_and_check) % 97 == 1:
            lengths.append(length)
    return lengths[::-1]
