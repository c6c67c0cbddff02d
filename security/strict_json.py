"""JSON read strictly: text that two parsers could read differently is refused.

Two members of one name, NaN, Infinity, invalid UTF-8 and a byte order mark are legal to some parsers and not to others.
`parse_object` reads documents of ours and signed ones. `parse_untrusted` reads everybody's: there, lone surrogates,
U+0000 and deep nesting are refused too, and numbers are exact, because a fraud system must not score another text than
the next system reads.
"""

import json
import re
from collections.abc import Collection
from decimal import Decimal, DecimalException
from typing import Any, Never

MAX_DEPTH = 16
"""Deepest nesting of arrays and objects in an untrusted document; the API's own bodies need 4."""

_REFUSED_CHARACTER = re.compile("[\x00\ud800-\udfff]")


class StrictJsonError(ValueError):
    """The text is not one unambiguous JSON text; the message says why, and where if that is one place.

    It completes a sentence whose subject is the document: "is not JSON: Expecting value at character 3".
    """


def parse_object(document: bytes) -> dict[str, Any]:
    """Returns the JSON object in `document`.

    >>> parse_object(b'{"exp": 1}')
    {'exp': 1}

    Raises:
        StrictJsonError: it is not UTF-8, not one object, repeats a member, nests too deep or holds a non-finite number.
    """
    value = _decoded(_DECODER, document)
    if not isinstance(value, dict):
        raise StrictJsonError("is not a JSON object")
    return value


def parse_untrusted(document: bytes) -> Any:
    """Returns the JSON value in `document`; numbers with a fraction or exponent are Decimals.

    >>> parse_untrusted(b'{"amount": 12.30}')
    {'amount': Decimal('12.30')}

    Raises:
        StrictJsonError: as `parse_object`; or it nests deeper than MAX_DEPTH, or holds U+0000 or half a surrogate pair.
    """
    value = _decoded(_EXACT_DECODER, document)
    # Few documents hold so many brackets that they could nest too deep.
    if document.count(b"{") + document.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    if b"\\u" in document:  # only an escape can write a surrogate or a NUL
        _check_characters(value)
    return value


def _decoded(decoder: json.JSONDecoder, document: bytes) -> Any:
    if not document:
        raise StrictJsonError("is empty")
    try:
        return decoder.decode(document.decode())
    except StrictJsonError:
        raise
    except UnicodeDecodeError as error:
        raise StrictJsonError("is not UTF-8") from error
    except RecursionError as error:
        raise StrictJsonError(f"nests deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"is not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, DecimalException) as error:  # an integer of thousands of digits, a boundless exponent
        raise StrictJsonError("holds a number that is too long") from error


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("repeats a member name")
    return members


def _refuse_constant(name: str) -> Never:
    raise StrictJsonError(f"holds {name}, which is not JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise StrictJsonError(f"nests deeper than {MAX_DEPTH} levels")


def _check_characters(value: Any) -> None:
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            if found := _REFUSED_CHARACTER.search(node):
                is_nul = found[0] == "\x00"
                raise StrictJsonError("holds the character U+0000" if is_nul else "holds half of a surrogate pair")
        else:
            stack.extend(_children(node))
            if isinstance(node, dict):
                stack.extend(node)


def _children(node: Any) -> Collection[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


# Built once: `json.loads` with hooks builds a new decoder for every call.
_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
_EXACT_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant, parse_float=Decimal
)
