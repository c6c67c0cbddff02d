"""The transaction: what a client posts, validated once and passed on unchanged."""

import hashlib
import math
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

UNITS_PER_CURRENCY_UNIT = 10_000
"""Amounts are held as integers of 1e-4 currency units, so that sums are exact."""

MAX_AMOUNT = Decimal("1e9")
MAX_METADATA_BYTES = 2048
_EPOCH_LIMIT_SECONDS = 4_102_444_800  # 2100-01-01; keeps every time within an unsigned 32-bit integer

Channel = Literal["pos", "ecom", "atm", "transfer", "mobile"]
_ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
_RFC3339 = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$", re.ASCII)


def _parse_timestamp(value: Any) -> float:
    """Returns epoch seconds from an RFC 3339 text or a number; accepts 1970 to 2100."""
    if isinstance(value, bool):
        raise ValueError("must be RFC 3339 or epoch seconds")  # noqa: TRY004 - pydantic collects ValueError only
    if isinstance(value, int | float | Decimal):
        seconds = float(value)
    elif isinstance(value, str) and _RFC3339.match(value):
        seconds = datetime.fromisoformat(value.upper().replace(" ", "T")).timestamp()
    else:
        raise ValueError("must be RFC 3339 with a zone, or epoch seconds")
    if not math.isfinite(seconds) or not 0 <= seconds < _EPOCH_LIMIT_SECONDS:
        raise ValueError("must lie between 1970 and 2100")
    return seconds


def _parse_amount(value: Any) -> Decimal:
    """Returns the amount from a JSON number or a decimal text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("must be a number or a decimal text")  # noqa: TRY004 - pydantic collects ValueError only
    if isinstance(value, str) and not re.fullmatch(r"\d{1,10}(\.\d{1,4})?", value, re.ASCII):
        raise ValueError("must be digits with at most 4 decimals")
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("must be a number") from error
    if not amount.is_finite():
        raise ValueError("must be finite")
    if amount <= 0:
        raise ValueError("must be greater than 0")
    if amount > MAX_AMOUNT:
        raise ValueError("must be at most 1e9")
    if amount != amount.quantize(Decimal("0.0001")):
        raise ValueError("must have at most 4 decimals")
    return amount.normalize()


def _check_ip(value: str) -> str:
    return str(ip_address(value))


def _check_metadata(value: dict[str, str]) -> dict[str, str]:
    if len(orjson.dumps(value)) > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes as JSON")
    return value


Identifier = Annotated[str, Field(pattern=_ID_PATTERN, description="1 to 64 of A-Z a-z 0-9 . _ : -")]
Timestamp = Annotated[
    float,
    BeforeValidator(_parse_timestamp),
    WithJsonSchema(
        {
            "description": "Event time: RFC 3339 with a zone, or epoch seconds.",
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": 0, "exclusiveMaximum": _EPOCH_LIMIT_SECONDS},
            ],
        }
    ),
]
Amount = Annotated[
    Decimal,
    BeforeValidator(_parse_amount),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str),
    WithJsonSchema(
        {
            "description": "Amount in the currency's unit: above 0, at most 1e9, at most 4 decimals.",
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9, "multipleOf": 0.0001},
                {"type": "string", "pattern": r"^\d{1,10}(\.\d{1,4})?$"},
            ],
        }
    ),
]


class Transaction(BaseModel):
    """One card or account transaction at its event time.

    Unknown fields are refused. Two transactions with equal `fingerprint` are the same request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    transaction_id: Identifier
    timestamp: Timestamp
    customer_id: Identifier
    terminal_id: Identifier
    amount: Amount
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")]
    channel: Channel
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code.")] | None = None
    merchant_category: Annotated[str, Field(pattern=r"^[0-9]{4}$", description="Merchant category code.")] | None = None
    device_id: Identifier | None = None
    ip: Annotated[str, Field(max_length=45), AfterValidator(_check_ip)] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=1024)]],
            AfterValidator(_check_metadata),
        ]
        | None
    ) = None

    @property
    def epoch_seconds(self) -> int:
        """Event time in whole epoch seconds, the resolution of every feature."""
        return int(self.timestamp)

    @property
    def amount_units(self) -> int:
        """Amount in 1e-4 currency units, exact."""
        return int(self.amount * UNITS_PER_CURRENCY_UNIT)

    @property
    def event_time(self) -> datetime:
        """Event time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.timestamp, UTC)

    def wire(self) -> dict[str, Any]:
        """Returns the JSON-ready form that travels through queues and stores; absent fields are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def fingerprint(self) -> str:
        """Returns 32 hex digits that are equal exactly for equal transactions."""
        canonical = orjson.dumps(self.wire(), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()[:32]
