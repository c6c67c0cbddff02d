"""The transaction: what a client posts, validated once and passed on unchanged."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT, Amount
from ml.domain.ip_addresses import IpAddress
from ml.domain.timestamps import Timestamp

MAX_METADATA_BYTES = 2048

Channel = Literal["pos", "ecom", "atm", "transfer", "mobile"]
ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"


def _check_metadata(value: dict[str, str]) -> dict[str, str]:
    if len(orjson.dumps(value)) > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes as JSON")
    return value


Identifier = Annotated[str, Field(pattern=ID_PATTERN, description="1 to 64 of A-Z a-z 0-9 . _ : -")]


def fingerprint_of(wire: Mapping[str, Any]) -> str:
    """Returns the fingerprint of a transaction in wire form."""
    return hashlib.sha256(orjson.dumps(wire, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


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
    ip: IpAddress | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=1024)]],
            Field(description="Texts of yours, 2 KB in all. Card numbers are refused: send a token of yours instead."),
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
        return fingerprint_of(self.wire())
