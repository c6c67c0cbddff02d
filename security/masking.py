"""Masking of what a log must not hold: card and account numbers, addresses, tokens, signatures, secrets.

| found | becomes |
| --- | --- |
| card number: 13 to 19 digits of any script, separated or not, that pass the Luhn check | the last four digits stay |
| IBAN that passes ISO 7064 mod 97-10 | country and last four characters stay |
| IPv4, IPv6 | the /24, the /48 stays |
| e-mail address | first letter and domain stay |
| bearer and basic credentials, JWTs, private keys, passwords in URLs, values of secret-like names | nothing stays |

A number that only looks like a card's passes the Luhn check one time in ten and is then masked; the price of a
transaction id losing its digits in a log line is smaller than that of a card number keeping them.
Masked text, masked again, stays as it is.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from itertools import accumulate

MASKED = "[masked]"
MIN_CARD_DIGITS = 13
MAX_CARD_DIGITS = 19
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

# White space, hyphens and dashes, minus, dot, slash, underscore, plus, zero-width marks.
_GAP = r"[\s\-._/+\u00ad\u200b-\u200d\u2010-\u2015\u2060\u2212\ufeff]"
_DIGIT_RUN = re.compile(rf"\d(?:{_GAP}{{0,3}}\d){{{MIN_CARD_DIGITS - 1},}}")
_DIGIT_RUN_IN_URL = re.compile(rf"\d(?:(?:{_GAP}|%20|%2D)*\d){{{MIN_CARD_DIGITS - 1},}}", re.IGNORECASE)
_DIGITS = re.compile(r"%2[0Dd]|(\d+)")
_IBAN_START = re.compile(r"[A-Za-z]{2}\d{2}(?=[\s\-]?[A-Za-z0-9])")
_IBAN_GAPS = " -\u00a0\u202f"
_IPV4 = re.compile(r"(?<![0-9])(?<![0-9*]\.)([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})\.[0-9]{1,3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f.]*+(?::[0-9A-Fa-f.]*+){2,}+(?!\w)")
_EMAIL = re.compile(r"(?<![\w.+%-])([\w.+%-])[\w.+%-]*+@((?:[\w-]+\.)+[\w-]{2,})")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL_PASSWORD = re.compile(r"://([^\s/:@]*+):[^\s/@]++@")
_CREDENTIALS = re.compile(r"\b(bearer|basic)((?:\s|%20)+)(?!\[masked\])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_DOTTED = re.compile(r"[A-Za-z0-9_.-]{16,}+")
# The base64 of `{"`, of `{ ` and of `{` before a line break: where JWTs and JWEs begin.
_JWT_START = re.compile(r"e(?:y[JA]|w[o0k])[A-Za-z0-9_-]{7}")
_SECRET_WORDS = (
    "passw",
    "passphrase",
    "secret",
    "signature",
    "token",
    "authorization",
    "cookie",
    "credential",
    "key",
    "hmac",
)
_NAME_AND_SEPARATOR = re.compile(r"""([\w-]++)(?:["']?\s{0,4}[:=]\s{0,4}b?["']?|["']\s{0,4},\s{0,4}b?["'])""")
_SECRET_NAME = re.compile(
    r"""(?xi) .*?
    ( passw(?:or)?d | passphrase | secret | signature | token | authorization | cookie | credentials? | hmac
    | (?: api | private | secret | access | signing | encryption | message | hmac | jwt ) [-_]? key )
    (?: [-_] (?: header | value | hash | digest | hex | base64 ) )?
    """
)
_SECRET_VALUES = {quote: re.compile(rf"([^{quote}]+)") for quote in ('"', "'")}
_BARE_VALUE = re.compile(r"""(?:(?:bearer|basic)\s+)?([^\s"'&;,)}\]]+)""", re.IGNORECASE)
_MIN_SECRET_CHARACTERS = 8
"""Shorter values of secret-like names are counts and words such as `token=missing`; passwords are never spared."""


def mask(text: str) -> str:
    """Returns the text without the secrets and personal numbers listed above.

    >>> mask("card 4111 1111 1111 1111 from 192.168.7.9")
    'card **** **** **** 1111 from 192.168.7.x'
    >>> mask("Authorization: Bearer abcdefgh12345678")
    'Authorization: Bearer [masked]'
    """
    text = _mask_secrets(text)
    if "@" in text:
        text = _EMAIL.sub(r"\1***@\2", text)
    # IBANs before addresses before cards: each is made of what the next would take for its own.
    if len(text) >= MIN_IBAN_CHARACTERS:
        text = _mask_ibans(text)
    if text.count(":") > 1:
        text = _IPV6.sub(_masked_ipv6, text)
    if text.count(".") > 2:
        text = _IPV4.sub(_masked_ipv4, text)
    # Counting is far cheaper than searching, and most texts have too few digits; other scripts' are not counted.
    if text.isascii() and sum(map(text.count, "0123456789")) < MIN_CARD_DIGITS:
        return text
    return (_DIGIT_RUN_IN_URL if "%2" in text else _DIGIT_RUN).sub(_masked_cards, text)


def _mask_secrets(text: str) -> str:
    lower = text.lower()
    if "private key" in lower:
        text = _PRIVATE_KEY.sub(MASKED, text)
    if "://" in text and "@" in text:
        text = _URL_PASSWORD.sub(rf"://\1:{MASKED}@", text)
    if "bearer" in lower or "basic" in lower:
        text = _CREDENTIALS.sub(rf"\1\2{MASKED}", text)
    if "ey" in text or "ew" in text:
        text = _DOTTED.sub(_masked_jwt, text)
    if any(word in lower for word in _SECRET_WORDS):
        text = _mask_secret_values(text)
    return text


def _masked_jwt(match: re.Match[str]) -> str:
    start = _JWT_START.search(match[0])
    if start is None or "." not in match[0][start.end() :]:
        return match[0]
    return match[0][: start.start()] + MASKED


def _mask_secret_values(text: str) -> str:
    """Returns the text with the value masked behind every name that sounds like a secret's."""
    pieces: list[str] = []
    copied = at = 0
    while name := _NAME_AND_SEPARATOR.search(text, at):
        at = name.end()
        if not _SECRET_NAME.fullmatch(name[1]) or text.startswith(MASKED, at):
            continue
        value = _SECRET_VALUES.get(text[at - 1], _BARE_VALUE).match(text, at)
        if value and (len(value[1]) >= _MIN_SECRET_CHARACTERS or "pass" in name[1].lower()):
            pieces += (text[copied:at], MASKED)
            copied = at = value.end()
    return "".join(pieces) + text[copied:] if pieces else text


def _mask_ibans(text: str) -> str:
    at = 0
    while match := _IBAN_START.search(text, at):
        places = _iban_places(text, match.start())
        if places:
            text = _starred(text, places[2:-4])
        at = places[-1] + 1 if places else match.start() + 1
    return text


def _iban_places(text: str, start: int) -> list[int]:
    """Returns the positions of the characters of the IBAN that begins at `start`; empty if none does.

    An IBAN of its country's length is found wherever it stands; one of another length, or of a country that the
    registry does not know, only where neither letter nor digit touches it: hexadecimal ids would fit too often.
    """
    places = _characters_from(text, start)
    valid = _valid_iban_lengths("".join(text[place] for place in places))
    registered = IBAN_LENGTHS.get(text[start : start + 2].upper())
    if registered in valid:
        return places[:registered]
    if start and text[start - 1].isalnum():
        return []
    for length in valid:
        after = places[length - 1] + 1
        if after == len(text) or not text[after].isalnum():
            return places[:length]
    return []


def _characters_from(text: str, start: int) -> list[int]:
    """Returns the positions of up to 34 letters and digits, at most one gap between two of them."""
    places: list[int] = []
    for at in range(start, min(len(text), start + 2 * MAX_IBAN_CHARACTERS)):
        character = text[at]
        if character.isdecimal() or (character.isascii() and character.isalpha()):
            places.append(at)
        elif character not in _IBAN_GAPS or text[at - 1] in _IBAN_GAPS:
            break
    return places[:MAX_IBAN_CHARACTERS]


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


def _masked_ipv6(match: re.Match[str]) -> str:
    # A time of day or a MAC address has colons too, but neither a double colon nor seven single ones.
    candidate = match[0]
    if "::" not in candidate and candidate.count(":") < 6:
        return candidate
    before = ":" if candidate[0] == ":" and candidate[1:2] != ":" else ""
    address = candidate.removeprefix(before).rstrip(".")
    after = candidate[len(before) + len(address) :]
    if address.endswith(":") and not address.endswith("::"):
        address, after = address[:-1], ":" + after
    try:
        number = int(IPv6Address(address))
    except AddressValueError:
        return candidate
    network = str(IPv6Address(number >> 80 << 80)).removesuffix("::")
    return f"{before}{network}::x{after}"


def _masked_ipv4(match: re.Match[str]) -> str:
    return f"{match[1]}.x" if all(int(part) < 256 for part in match[0].split(".")) else match[0]


def _masked_cards(match: re.Match[str]) -> str:
    """Returns the run of digit groups with every card number in it masked.

    A run may hold other numbers beside the card's, so every sequence of whole groups is tried.
    """
    run = match[0]
    groups = [found.span() for found in _DIGITS.finditer(run) if found[1]]
    places = [place for start, end in groups for place in range(start, end)]
    sums = _luhn_sums([int(run[place]) for place in places])
    hidden: set[int] = set()
    first = 0
    for number, (start, end) in enumerate(groups):
        last = first
        for other_start, other_end in groups[number : number + MAX_CARD_DIGITS]:
            last += other_end - other_start
            if last - first > MAX_CARD_DIGITS:
                break
            if last - first >= MIN_CARD_DIGITS and (sums[last % 2][last] - sums[last % 2][first]) % 10 == 0:
                hidden.update(places[first : last - 4])
        first += end - start
    return _starred(run, hidden) if hidden else run


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


def _starred(text: str, places: Iterable[int]) -> str:
    characters = list(text)
    for place in places:
        characters[place] = "*"
    return "".join(characters)
