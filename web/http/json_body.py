"""Strict reading of JSON bodies: a refusal points to each violation."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from security.masking.cards import mask_cards
from security.strict_json import StrictJsonError, parse_untrusted
from web.http.errors import InvalidBodyError, MalformedJsonError, MediaTypeError, Violation

MAX_VIOLATIONS = 20
_MAX_POINTER_CHARACTERS = 200

# `utf8` is what many clients write; ASCII is a part of UTF-8. A parameter may be missing behind its semicolon.
_MEDIA_TYPE = re.compile(
    r'application/json\s*(?:;\s*(?:charset\s*=\s*(?P<quote>"?)(?:utf-?8|us-ascii)(?P=quote)\s*;?\s*)?)?',
    re.ASCII | re.IGNORECASE,
)

# pydantic's own sentences name classes and types of Python, which no client knows.
_MESSAGES = dict.fromkeys(
    ("model_type", "model_attributes_type", "dict_type", "dataclass_type", "mapping_type"), "must be a JSON object"
) | {
    "list_type": "must be a JSON array",
    "missing": "is required and missing; the example at /docs shows its form",
}

ModelT = TypeVar("ModelT", bound=BaseModel)


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
    try:
        return parse_untrusted(body)
    except StrictJsonError as error:
        raise MalformedJsonError(f"The body {error}.") from error


def validate(model: type[ModelT], value: Any, *, pointer: str = "") -> ModelT:
    """Returns the value as a model.

    Args:
        model: of the body.
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
    """Returns pydantic's findings, at most MAX_VIOLATIONS of them, without repeating the refused values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Violation(
            _pointer(pointer, item["loc"]), _MESSAGES.get(item["type"]) or item["msg"].removeprefix("Value error, ")
        )
        for item in found[:MAX_VIOLATIONS]
    ]


def _pointer(prefix: str, location: Sequence[str | int]) -> str:
    """Returns the JSON pointer (RFC 6901) of a pydantic location; `[key]` marks a bad member name, not a level."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in location if step != "[key]"]
    pointer = prefix + "".join(f"/{step}" for step in steps)
    # A name that a client made up may hold what no answer should repeat.
    return mask_cards(pointer)[:_MAX_POINTER_CHARACTERS].encode("utf-8", "replace").decode()
