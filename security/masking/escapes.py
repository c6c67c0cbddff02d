r"""Escapes that hide digits, white space, dashes and the at sign are undone before anything is looked for.

A `repr` writes a non-breaking space as `\xa0`, JSON an Arabic digit as `\u0664`, a URL a blank as `%20` and a page as
`&nbsp;`; between the digits of a card number each would keep it from being seen. So would the same escapes written
twice, as in `%2520`, `\\u00a0` and `&amp;nbsp;`. All other escapes stay as they are.
"""

import re
from html import unescape as character_of_entity

from security.masking.cards import GAP

_ESCAPED = re.compile(
    r"(?:%(?:25){0,3}[0-9A-Fa-f]{2})+"
    r"|(?:\\{1,4}x[0-9a-fA-F]{2})+"
    r"|\\{1,4}u[dD][89abAB][0-9a-fA-F]{2}\\{1,4}u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\{1,4}u[0-9a-fA-F]{4}"
    r"|\\{1,4}U000[0-9a-fA-F]{5}"
    r"|(?<=[\da-fA-F])(?:\\{1,4}[ntrvf/])+(?=[\dA-Z\\ ])"
    r"|&(?:amp;){0,3}(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,24});"
)
_OCTET = re.compile(r"(?:%(?:25){0,3}|\\{1,4}x)([0-9A-Fa-f]{2})")
_BACKSLASHES = re.compile(r"\\+")
_AMPERSAND = re.compile("&(?:amp;)*")
_HIDING = re.compile(rf"(?:\d|[@\uff20\ufe6b]|{GAP})+")


def unescape(text: str) -> str:
    r"""Returns the text with those escapes undone that stand for digits, separators of digits and at signs.

    >>> unescape("4111%201111 caf%C3%A9 1111%2520&nbsp;1111")
    '4111 1111 caf%C3%A9 1111 \xa01111'
    """
    return _ESCAPED.sub(_decoded, text)


def _decoded(match: re.Match[str]) -> str:
    written = match[0]
    if written[0] == "%" or _BACKSLASHES.sub("", written[:5])[:1] == "x":
        return _octets(list(_OCTET.finditer(written)))
    characters = _character(written) if written[0] == "&" else _code_points(_BACKSLASHES.sub(r"\\", written))
    return characters if _HIDING.fullmatch(characters) else written


def _character(entity: str) -> str:
    """Returns what an entity stands for; itself if for nothing."""
    return character_of_entity(_AMPERSAND.sub("&", entity))


def _octets(escapes: list[re.Match[str]]) -> str:
    """Returns what escaped octets stand for; those that hide nothing stay escaped."""
    octets = bytes(int(escape[1], 16) for escape in escapes)
    try:
        encoding, characters = "utf-8", octets.decode()
    except UnicodeDecodeError:  # the `repr` of a text writes its characters up to U+00FF
        encoding, characters = "latin-1", octets.decode("latin-1")
    pieces, at = [], 0
    for character in characters:
        end = at + len(character.encode(encoding))
        is_hiding = _HIDING.fullmatch(character) is not None
        pieces.append(character if is_hiding else "".join(escape[0] for escape in escapes[at:end]))
        at = end
    return "".join(pieces)


def _code_points(written: str) -> str:
    """Returns what the escapes of characters stand for; JSON may write a slash as an escape too."""
    try:
        # JSON writes characters beyond U+FFFF as two halves, which UTF-16 joins.
        units = written.replace("\\/", "/").encode("ascii").decode("unicode_escape")
        return units.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError:
        return ""
