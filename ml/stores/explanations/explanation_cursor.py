"""The opaque cursor of an explanation search: the sort key of the last record given out."""

import base64
import binascii
from datetime import UTC, datetime

import orjson

from ml.stores.explanations.explanations import InvalidCursorError


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
        scored_at, transaction_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        datetime.fromisoformat(scored_at).astimezone(UTC)
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidCursorError("the cursor is malformed") from error
    if not isinstance(transaction_id, str):
        raise InvalidCursorError("the cursor is malformed")
    return scored_at, transaction_id
