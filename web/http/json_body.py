"""Strict reading of JSON bodies: what is ambiguous, lossy or malformed is refused, with a pointer to it.

Two members of one name, NaN, Infinity, lone surrogates, U+0000, a byte order mark and deep nesting are legal to some
parsers and not to others; a fraud system must not score something other than what the next system reads. Numbers
are read as exact decimals.
"""

import json
import re
from collections.abc import Sequence
from decimal import Decimal, DecimalException
from typing import Any, Never, TypeVar

from pydantic import BaseModel, ValidationError

from web.http.errors import InvalidBodyError, MalformedJsonError, MediaTypeError, Violation

MAX_DEPTH = 16
"""Deepest nesting of arrays and objects; our own bodies need 4."""

MAX_VIOLATIONS = 20
_MAX_POINTER_CHARACTERS = 200

_MEDIA_TYPE = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?', re.ASCII | re.IGNORECASE)

ModelT = TypeVar("ModelT", bound=BaseModel)


class _RefusedError(ValueError):
    """The text breaks one of our own rules; the message says which."""


def check_media_type(content_type: str | None, content_encoding: str | None) -> None:
    """Lets only plain UTF-8 JSON pass.

    Raises:
        MediaTypeError: another type, charset, or a content encoding.
    """
    if content_encoding and content_encoding.strip().lower() != "identity":
        raise MediaTypeError
    if not _MEDIA_TYPE.fullmatch((content_type or "").strip()):
        raise MediaTypeError


def parse_json(body: bytes) -> Any:
    """Returns the JSON value of a body; numbers with a fraction or exponent are Decimals.

    >>> parse_json(b'{"amount": 12.30}')
    {'amount': Decimal('12.30')}

    Raises:
        MalformedJsonError: it is not one unambiguous JSON text; the message says why.
    """
    if not body:
        raise MalformedJsonError("The body is empty.")
    try:
        value = _DECODER.decode(body.decode("utf-8"))
        _check_depth(value, body)
        if b"\\u" in body:  # only an escape can write a surrogate or a NUL
            _check_characters(value)
    except UnicodeDecodeError as error:
        raise MalformedJsonError("The body is not UTF-8.") from error
    except RecursionError as error:
        raise MalformedJsonError(f"The body nests deeper than {MAX_DEPTH} levels.") from error
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except _RefusedError as error:
        raise MalformedJsonError(str(error)) from error
    except (ValueError, DecimalException) as error:  # an integer of thousands of digits, a boundless exponent
        raise MalformedJsonError("The body holds a number that is too long.") from error
    return value


def validate(model: type[ModelT], value: Any, *, pointer: str = "") -> ModelT:
    """Returns the value as a model.

    Args:
        model: what the body must be.
        value: parsed JSON.
        pointer: JSON pointer of the value within the body, put before the pointers of its violations.

    Raises:
        InvalidBodyError: it breaks the model; the error points to each violation.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidBodyError(violations(error, pointer)) from error


def violations(error: ValidationError, pointer: str = "") -> list[Violation]:
    """Returns what pydantic found, at most MAX_VIOLATIONS of it, without repeating the refused values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Violation(_pointer(pointer, item["loc"]), item["msg"].removeprefix("Value error, "))
        for item in found[:MAX_VIOLATIONS]
    ]


def _pointer(prefix: str, location: Sequence[str | int]) -> str:
    """Returns the JSON pointer (RFC 6901) of a pydantic location; `[key]` marks a bad member name, not a level."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in location if step != "[key]"]
    pointer = prefix + "".join(f"/{step}" for step in steps)
    return pointer[:_MAX_POINTER_CHARACTERS].encode("utf-8", "replace").decode()


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("The body repeats a member name.")
    return members


def _refuse_constant(name: str) -> Never:
    raise _RefusedError(f"The body holds {name}, which is not JSON.")


def _check_depth(value: Any, body: bytes) -> None:
    """Refuses deep nesting; nearly every body holds too few brackets to nest deeply and is not walked."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise _RefusedError(f"The body nests deeper than {MAX_DEPTH} levels.")


def _check_characters(value: Any) -> None:
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            if "\x00" in node:
                raise _RefusedError("The body holds the character U+0000.")
            if any("\ud800" <= character <= "\udfff" for character in node):
                raise _RefusedError("The body holds half of a surrogate pair.")
        elif isinstance(node, dict):
            stack.extend(node)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _children(node: Any) -> Sequence[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else ()


# Built once: `json.loads` with hooks builds a new decoder for every call.
_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant, parse_float=Decimal)
