"""Masks what no log may hold: card and account numbers, addresses, tokens, signatures, secrets.

May touch `settings`.
"""

from security.masking.configured import masker
from security.masking.stars import MASKED
from security.masking.text import mask

__all__ = ["MASKED", "mask", "masker"]
