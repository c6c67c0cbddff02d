"""The label: what a transaction turned out to be, as the bank's case system confirms it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.transaction import Identifier, Timestamp


class Label(BaseModel):
    """A confirmed outcome of one transaction. A later label of the same transaction replaces an earlier one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    transaction_id: Identifier
    label: Annotated[Literal["fraud", "legitimate"], Field(description="What the transaction turned out to be.")]
    source: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="Who says so: chargeback, analyst, customer, …"),
    ]
    labelled_at: Timestamp

    @property
    def is_fraud(self) -> bool:
        """Whether the transaction was fraud."""
        return self.label == "fraud"

    @property
    def known_at(self) -> int:
        """Epoch seconds from which features may use the label."""
        return int(self.labelled_at)

    def wire(self) -> dict[str, Any]:
        """Returns the JSON-ready form that travels through the label stream."""
        return self.model_dump(mode="json")
