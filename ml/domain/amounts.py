"""Amounts as clients write them: a JSON number, or the same number as a text; what counts is the value.

`12.300000` and `1E+2`, as databases and Java print decimals, are 12.3 and 100 in both forms.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

UNITS_PER_CURRENCY_UNIT: Final = 10_000
"""Amounts are held as integers of 1e-4 currency units, so that sums are exact."""

MAX_AMOUNT: Final = Decimal("1e9")
_SMALLEST: Final = Decimal("0.0001")
# Long enough for every way in which a number of at most 4 decimals is printed; its exponent cannot ask for much work.
_TEXT_PATTERN: Final = r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?"
_TEXT = re.compile(_TEXT_PATTERN)


def parse_amount(value: Any) -> Decimal:
    """Returns the amount from a JSON number or a decimal text.

    >>> parse_amount("12.300000"), parse_amount(Decimal("1E+2"))
    (Decimal('12.3'), Decimal('1E+2'))

    Raises:
        ValueError: it is neither, or no amount; the message says what to send, and not what was sent.
    """
    amount = _decimal(value)
    if not amount.is_finite():
        raise ValueError("must be finite")
    if amount <= 0:
        raise ValueError("must be greater than 0: verifications without an amount and refunds cannot be scored")
    if amount > MAX_AMOUNT:
        raise ValueError("must be at most 1e9")
    if amount != amount.quantize(_SMALLEST):
        raise ValueError("must have at most 4 decimals")
    return amount.normalize()


def _decimal(value: Any) -> Decimal:
    if isinstance(value, str):
        if not _TEXT.fullmatch(value):
            raise ValueError('must be a number such as "249.90": digits and a point, no blanks, commas or currency')
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number or a decimal text")  # noqa: TRY004 - pydantic collects ValueError only
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


Amount = Annotated[
    Decimal,
    BeforeValidator(parse_amount),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str),
    WithJsonSchema(
        {
            "description": "Amount in the currency's unit: above 0, at most 1e9, at most 4 decimals; trailing zeros "
            "and an exponent change nothing. Verifications without an amount and refunds are not scored.",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9, "multipleOf": 0.0001},
                {"type": "string", "pattern": r"^[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?$"},
            ],
        }
    ),
]
