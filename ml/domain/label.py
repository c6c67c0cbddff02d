"""The label: the outcome of a transaction, as the bank's case system confirms it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.domain.timestamps import Timestamp
from ml.domain.transaction import Identifier


class Label(BaseModel):
    """A confirmed outcome of one transaction. A later label of the same transaction replaces an earlier one.

    Customer and terminal let a label reach the features of a transaction that was never scored here, such as one of
    a backfilled history, or whose record is gone. A scored transaction is found by its id alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    transaction_id: Identifier
    label: Annotated[Literal["fraud", "legitimate"], Field(description="What the transaction turned out to be.")]
    source: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="Who says so: chargeback, analyst, customer, …"),
    ]
    labelled_at: Timestamp
    customer_id: Identifier | None = None
    terminal_id: Identifier | None = None

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if (self.customer_id is None) != (self.terminal_id is None):
            raise ValueError("customer_id and terminal_id come together or not at all")
        return self

    @property
    def is_fraud(self) -> bool:
        """Whether the transaction was fraud."""
        return self.label == "fraud"

    @property
    def known_at(self) -> int:
        """Epoch seconds from which features may use the label."""
        return int(self.labelled_at)

    def wire(self) -> dict[str, Any]:
        """Returns the JSON-ready form that travels through the label stream; absent fields are left out."""
        return self.model_dump(mode="json", exclude_none=True)
