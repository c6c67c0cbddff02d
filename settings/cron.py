"""Cron expressions, checked before Celery reads them."""

import re

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6))
_NAMES = {
    name: number
    for names, first in (("jan feb mar apr may jun jul aug sep oct nov dec", 1), ("sun mon tue wed thu fri sat", 0))
    for number, name in enumerate(names.split(), first)
}
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9][0-9]?))?", re.ASCII)


def check_cron(text: str) -> str:
    """Returns a cron expression that can be read.

    Raises:
        ValueError: one sentence that names the field.
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError("it is not five fields: minute, hour, day of the month, month, day of the week.")
    for field, (name, lowest, highest) in zip(fields, _FIELDS, strict=True):
        if not all(_is_part(part, lowest, highest) for part in field.split(",")):
            raise ValueError(f"its {name} is none of *, */n, n, n-m and lists of these, of {lowest} to {highest}.")
    return text


def _is_part(part: str, lowest: int, highest: int) -> bool:
    match = _PART.fullmatch(part)
    if match is None:
        return False
    ends = [_number(end) for end in (match["first"], match["last"]) if end is not None]
    return all(lowest <= end <= highest for end in ends)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NAMES.get(text.lower(), -1)
