"""The opaque cursor of an explanation search: the sort key of the last record given out."""

import base64
import re
from datetime import datetime

import orjson

from ml.stores.explanations.explanations import InvalidCursorError

_SCORED_AT = re.compile(r"[12]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", re.ASCII)
"""As the stores write it; other times, and those at the ends of the calendar, are no sort keys."""


def encode_cursor(scored_at: str, transaction_id: str) -> str:
    """Returns the cursor that continues after a record.

    >>> decode_cursor(encode_cursor("2026-01-02T03:04:05.678Z", "t-1"))
    ('2026-01-02T03:04:05.678Z', 't-1')
    """
    return base64.urlsafe_b64encode(orjson.dumps([scored_at, transaction_id])).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Returns (scored_at, transaction_id) of the last record given out.

    Raises:
        InvalidCursorError: this is no cursor of ours.
    """
    try:
        key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        is_ours = _is_sort_key(key) and encode_cursor(*key) == cursor
    except ValueError:  # of base64, UTF-8, JSON, or a day that does not exist
        is_ours = False
    if not is_ours:
        raise InvalidCursorError("the cursor is malformed")
    return key[0], key[1]


def _is_sort_key(key: object) -> bool:
    match key:
        case [str() as scored_at, str()] if _SCORED_AT.fullmatch(scored_at):
            datetime.fromisoformat(scored_at)
            return True
    return False
