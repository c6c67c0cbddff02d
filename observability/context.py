"""The correlation id of the request or message that this thread, greenlet or task works on."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

CORRELATION_HEADER = "X-Correlation-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{8,64}")
_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)


# Letters only: an id with digits could look like a card or account number, and the log would mask it.
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def new_correlation_id() -> str:
    """Returns a fresh id of 32 letters, 128 random bits."""
    return secrets.token_hex(16).translate(_LETTERS)


def accept_correlation_id(sent: str | None) -> str:
    """Returns the caller's id if it has the accepted form, else a fresh one.

    >>> accept_correlation_id("order-4711")
    'order-4711'
    >>> len(accept_correlation_id("no spaces, please"))
    32
    """
    return sent if sent is not None and _ACCEPTED.fullmatch(sent) else new_correlation_id()


def get_correlation_id() -> str | None:
    """Returns the current id, None outside of any request or task."""
    return _correlation_id.get()


def set_correlation_id(correlation_id: str | None) -> Token[str | None]:
    """Sets the current id; the token undoes it through `reset_correlation_id`."""
    return _correlation_id.set(correlation_id)


def reset_correlation_id(token: Token[str | None]) -> None:
    """Restores the id from before `set_correlation_id`."""
    _correlation_id.reset(token)


@contextmanager
def bind_correlation_id(correlation_id: str | None) -> Iterator[None]:
    """Sets the current id for the duration of a block."""
    token = set_correlation_id(correlation_id)
    try:
        yield
    finally:
        reset_correlation_id(token)
