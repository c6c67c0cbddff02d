"""Path and query parameters, checked as strictly as bodies."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from web.http.errors import InvalidParameterError, Violation
from web.http.json_body import violations

_MAX_PARAMETERS = 32


def read_path(model: type[BaseModel] | None, values: Mapping[str, str]) -> Any:
    """Returns the path parameters as a model, None without one.

    Raises:
        InvalidParameterError: one breaks the model.
    """
    return None if model is None else _validate(model, dict(values), "/path")


def read_query(model: type[BaseModel] | None, query_string: bytes) -> Any:
    """Returns the query parameters as a model; a route without one ignores its query.

    Raises:
        InvalidParameterError: one is unknown, repeated, not UTF-8 or breaks the model.
    """
    if model is None:
        return None
    if query_string.count(b"&") >= _MAX_PARAMETERS:
        raise InvalidParameterError([Violation("/query", f"must hold at most {_MAX_PARAMETERS} parameters")])
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:  # UnicodeDecodeError is one
        raise InvalidParameterError([Violation("/query", "must be percent-encoded UTF-8")]) from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidParameterError([Violation("/query", "must not repeat a parameter")])
    return _validate(model, values, "/query")


def _validate(model: type[BaseModel], values: dict[str, str], pointer: str) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidParameterError(violations(error, pointer)) from error
