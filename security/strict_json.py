"""JSON objects read without mercy: no duplicate members, no NaN, no Infinity, no invalid UTF-8."""

import json
from typing import Any, Never


class StrictJsonError(ValueError):
    """The text is not one unambiguous JSON object."""


def parse_object(document: bytes) -> dict[str, Any]:
    """Returns the JSON object in `document`.

    >>> parse_object(b'{"exp": 1}')
    {'exp': 1}

    Raises:
        StrictJsonError: it is not UTF-8, not one object, repeats a member, nests too deep or holds a non-finite number.
    """
    try:
        parsed = _DECODER.decode(document.decode())
    except (ValueError, RecursionError) as error:
        raise StrictJsonError("not a JSON object") from error
    if not isinstance(parsed, dict):
        raise StrictJsonError("not a JSON object")
    return parsed


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("duplicate member")
    return members


def _refuse_constant(name: str) -> Never:
    raise StrictJsonError(f"{name} is not JSON")


# Built once: `json.loads` with hooks builds a new decoder for every call.
_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
