"""Which characters the names in credentials may have: subjects, token ids, key ids; and what people read in lists."""

import re
from typing import Final, TypeGuard

ARTIFACT_KEY_ID: Final = r"[A-Za-z0-9._-]{1,64}"
"""The id of a key that signs models, as a regular expression."""

_NAME = re.compile(r"[!-~]{1,128}")  # printable ASCII: it becomes part of Redis keys and log lines
_KEY_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def is_name(value: object) -> TypeGuard[str]:
    """Returns whether this can be a `sub` or a `jti`: 1 to 128 printable ASCII characters.

    >>> is_name("shop-1"), is_name("two words"), is_name(7)
    (True, False, False)
    """
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def is_key_id(value: object) -> TypeGuard[str]:
    """Returns whether this can be the id of a key that verifies tokens or requests: 1 to 64 of `A-Za-z0-9._:-`.

    >>> is_key_id("2026-11"), is_key_id("two words"), is_key_id(None)
    (True, False, False)
    """
    return isinstance(value, str) and _KEY_ID.fullmatch(value) is not None


def is_line(text: str) -> bool:
    r"""Returns whether a terminal shows a text as one line: line breaks and escapes could forge other lines.

    >>> is_line("für Prometheus"), is_line("two\nlines"), is_line("\x1b[2J")
    (True, False, False)
    """
    return text.isprintable()


def as_line(text: str) -> str:
    r"""Returns a text of which a terminal shows every character; what is not printable becomes an escape of letters.

    >>> as_line("a\x1b[2J")
    'a\\x1b[2J'
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
