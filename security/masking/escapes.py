r"""Escapes that hide digits, white space, dashes and the at sign are undone before anything is looked for.

A `repr` writes a non-breaking space as `\xa0`, JSON an Arabic digit as `\u0664`, and a URL a blank as `%20`; between
the digits of a card number each would keep it from being seen. All other escapes stay as they are.
"""

import re

from security.masking.cards import GAP

_ESCAPED = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+"
    r"|(?<!\\)(?:\\x[0-9a-fA-F]{2})+"
    r"|(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?<!\\)\\u[0-9a-fA-F]{4}"
    r"|(?<!\\)\\U000[0-9a-fA-F]{5}"
    r"|(?<=[\da-fA-F])(?:\\[ntr])+(?=[\d\\])"
)
_HIDING = re.compile(rf"(?:\d|@|{GAP})+")


def unescape(text: str) -> str:
    r"""Returns the text with those escapes undone that stand for digits, separators of digits and at signs.

    >>> unescape("4111%201111 caf%C3%A9")
    '4111 1111 caf%C3%A9'
    """
    return _ESCAPED.sub(_decoded, text)


def _decoded(match: re.Match[str]) -> str:
    written = match[0]
    if written[0] == "%":
        return _octets(written.replace("%", ""), "%{:02X}")
    if written[1] == "x":
        return _octets(written.replace("\\x", ""), "\\x{:02x}")
    characters = _code_points(written)  # also of `\n`, `\t` and `\r`
    return characters if _HIDING.fullmatch(characters) else written


def _octets(digits: str, escape: str) -> str:
    """Returns what octets stand for, those that hide nothing escaped again."""
    octets = bytes.fromhex(digits)
    try:
        encoding, characters = "utf-8", octets.decode()
    except UnicodeDecodeError:  # the `repr` of a text writes its characters up to U+00FF
        encoding, characters = "latin-1", octets.decode("latin-1")
    return "".join(
        character
        if _HIDING.fullmatch(character)
        else "".join(escape.format(octet) for octet in character.encode(encoding))
        for character in characters
    )


def _code_points(written: str) -> str:
    try:
        # JSON writes characters beyond U+FFFF as two halves, which UTF-16 joins.
        units = written.encode("ascii").decode("unicode_escape")
        return units.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError:
        return ""
