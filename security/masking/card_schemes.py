"""Whether a text holds a number that a card scheme can have issued.

The mask hides every number that passes the Luhn check, because hiding one too many costs little. Refusing one too many
costs a payment, and other numbers pass the check by their own rules: every IMEI and every SIM card's number does. So a
number counts here only if its length and first digits are a scheme's, too.
"""

import re
from typing import Final

from security.masking.cards import numbers_in

# Sources: ISO/IEC 7812-1, and the ranges that Visa, Mastercard, American Express, Diners Club, JCB, UnionPay, Maestro
# and UATP publish. National schemes number with 16 digits, whatever the first one.
_ISSUED: Final = {
    13: re.compile("4"),
    14: re.compile("3(?:0[0-59]|[689])"),
    15: re.compile("1|3[47]|2131"),
    16: re.compile("[1-9]"),
    17: re.compile("5[06-9]|6"),
    18: re.compile("5[06-9]|6"),
    19: re.compile("4|5[06-9]|6|9"),
}
_MAX_PHONE_DIGITS: Final = 15  # ITU-T E.164


def holds_card_number(text: str) -> bool:
    """Returns whether there is such a number in the text, in groups or not.

    >>> holds_card_number("paid with 4111 1111-1111 1111"), holds_card_number("IMEI 490154203237518")
    (True, False)
    """
    return any(
        _ISSUED[len(digits)].match(digits) is not None and not _is_phone(text, start, digits)
        for start, digits in numbers_in(text)
    )


def _is_phone(text: str, start: int, digits: str) -> bool:
    return start > 0 and text[start - 1] == "+" and len(digits) <= _MAX_PHONE_DIGITS
