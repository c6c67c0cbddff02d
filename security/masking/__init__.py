"""Masking of what a log must not hold: card and account numbers, addresses, tokens, signatures, secrets."""

from security.masking.configured import masker
from security.masking.stars import MASKED
from security.masking.text import mask

__all__ = ["MASKED", "mask", "masker"]
