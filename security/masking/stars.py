"""Hiding some characters of a text and keeping the others where they are."""

from collections.abc import Iterable

MASKED = "[masked]"
"""What stands in the place of a secret, of which nothing stays."""


def starred(text: str, places: Iterable[int]) -> str:
    """Returns the text with a star at each of the places."""
    characters = list(text)
    for place in places:
        characters[place] = "*"
    return "".join(characters)
