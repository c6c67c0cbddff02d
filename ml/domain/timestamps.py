"""Times as clients write them: RFC 3339 with a zone, or epoch seconds; anything else is told what to send instead.

Java leaves out the seconds of a full minute, and so may a client. A leap second is read as the second after it, as
POSIX clocks do, because a time in epoch seconds has no room for it.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

EPOCH_LIMIT_SECONDS: Final = 4_102_444_800
"""2100-01-01; keeps every time within an unsigned 32-bit integer."""

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_WITHOUT_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d*)?)?", re.ASCII)
_BLANK_FOR_PLUS = re.compile(r".{10}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d*)?)? \d{2}:\d{2}", re.ASCII)
_OUTSIDE = "must lie between 1970 and 2100"


def parse_timestamp(value: Any) -> float:
    """Returns epoch seconds from an RFC 3339 text or a number; accepts 1970 to 2100.

    >>> parse_timestamp("2026-03-01T10:00Z")
    1772359200.0

    Raises:
        ValueError: it is neither, or lies outside; the message says what to send, and not what was sent.
    """
    if isinstance(value, str):
        seconds = _read(value)
        if not 0 <= seconds < EPOCH_LIMIT_SECONDS:
            raise ValueError(_OUTSIDE)
        return seconds
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be RFC 3339 with a zone, or epoch seconds")  # noqa: TRY004 - pydantic collects ValueError only
    # An integer is compared before it is converted: it has no bound, and a float has one.
    seconds = value if isinstance(value, int) else float(value)
    if not 0 <= seconds < EPOCH_LIMIT_SECONDS:
        raise ValueError(f"{_OUTSIDE}; a number is in epoch seconds, not in milliseconds")
    return float(seconds)


def parse_moment(value: Any) -> datetime:
    """Returns the moment of an RFC 3339 text, or of epoch seconds in digits, as in a URL's query.

    Raises:
        ValueError: as `parse_timestamp`.
    """
    if isinstance(value, str) and _BLANK_FOR_PLUS.fullmatch(value):
        raise ValueError("must have its + written as %2B: a + in a query stands for a blank")
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10
    return datetime.fromtimestamp(parse_timestamp(int(value) if is_number else value), UTC)


def _read(text: str) -> float:
    if not _RFC3339.fullmatch(text):
        raise ValueError(_what_is_wrong_with(text))
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        return _leap_second(text)


def _leap_second(text: str) -> float:
    """Returns the time of a 60th second, which only the last minute of a month in UTC may have."""
    try:
        if text[16:19] != ":60":
            raise ValueError
        seconds = datetime.fromisoformat(f"{text[:17]}59{text[19:]}".upper()).timestamp() + 1
    except ValueError:
        raise ValueError("names a day or a time that does not exist") from None
    if 0 <= seconds < EPOCH_LIMIT_SECONDS:
        after = datetime.fromtimestamp(int(seconds), UTC)
        if (after.day, after.hour, after.minute, after.second) != (1, 0, 0, 0):
            raise ValueError("has a second 60 where no leap second can be: only at the end of a month in UTC")
    return seconds


def _what_is_wrong_with(text: str) -> str:
    if _WITHOUT_ZONE.fullmatch(text):
        return "must be RFC 3339 with a zone: end it with Z, or with an offset such as +01:00"
    if text.isascii() and text.isdigit():
        return "must be a number if it is in epoch seconds, without quotes; else RFC 3339 with a zone"
    return "must be RFC 3339 with a zone, such as 2026-11-23T14:03:27Z or 2026-11-23T15:03:27+01:00, or epoch seconds"


_JSON_TEXT = {"type": "string", "format": "date-time"}

Timestamp = Annotated[
    float,
    BeforeValidator(parse_timestamp),
    WithJsonSchema(
        {
            "description": "RFC 3339 with a zone (seconds may be left out, a leap second counts as the one after it), "
            "or epoch seconds as a number; 1970 to 2100.",
            "anyOf": [_JSON_TEXT, {"type": "number", "minimum": 0, "exclusiveMaximum": EPOCH_LIMIT_SECONDS}],
        }
    ),
]
Moment = Annotated[
    datetime,
    BeforeValidator(parse_moment),
    WithJsonSchema({"anyOf": [_JSON_TEXT, {"type": "integer", "minimum": 0, "exclusiveMaximum": EPOCH_LIMIT_SECONDS}]}),
]
"""A time in a query: RFC 3339 with a zone, or epoch seconds; 1970 to 2100."""
