"""Bodies and parameters."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ml.domain.decision import Outcome
from ml.domain.timestamps import Moment
from ml.domain.transaction import Identifier
from security.masking.card_schemes import holds_card_number
from security.names import is_line


def _digits(value: Any) -> Any:
    """Returns the number that a parameter's text writes in digits alone; a sign, a blank or an underscore is refused.

    Raises:
        ValueError: the text holds something else, or more digits than any parameter needs.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise ValueError("must be a whole number in digits, such as 50")
        return int(value)
    return value


def _without_card_number(text: str) -> str:
    if holds_card_number(text):
        raise ValueError("must hold no card number")
    return text


def _one_line(text: str) -> str:
    if not is_line(text):
        raise ValueError("must be one line of printable characters")
    return text


class RequestModel(BaseModel):
    """A body or parameter set: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ParameterModel(BaseModel):
    """Parameters arrive as text, so their types are read from it; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BatchRequest(RequestModel):
    """Transactions to score; each is checked by itself, so a bad one fails alone."""

    transactions: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=1000,
            description="1 to 1,000 transactions.",
            json_schema_extra={"items": {"$ref": "#/components/schemas/Transaction"}},
        ),
    ]


class SafeModeRequest(RequestModel):
    """Why SAFE MODE is entered."""

    reason: Annotated[
        str,
        Field(min_length=1, max_length=500, pattern=r"\S", description="One line, shown to every client."),
        AfterValidator(_without_card_number),
        AfterValidator(_one_line),
    ]


class ReasonRequest(RequestModel):
    """Why an administrator changes something."""

    reason: Annotated[
        str,
        Field(min_length=1, max_length=500, pattern=r"\S", description="One line, kept in the audit."),
        AfterValidator(_without_card_number),
        AfterValidator(_one_line),
    ]


class StatusSessionRequest(RequestModel):
    """A link that opens the status page."""

    link: Annotated[str, Field(min_length=1, max_length=2048, description="What follows # in the link.")]


class ModelVersionPath(ParameterModel):
    """Which model version."""

    version: Annotated[str, Field(pattern=r"^v[0-9]{8}T[0-9]{6}-[0-9a-f]{6}$", description="As in /admin/models.")]


class TransactionPath(ParameterModel):
    """Which transaction."""

    transaction_id: Identifier


class ExplanationSearch(ParameterModel):
    """An audit search; every criterion is optional, they combine with AND."""

    customer_id: Identifier | None = None
    decision: Outcome | None = None
    start: Annotated[
        Moment | None,
        Field(
            alias="from",
            description="Scored at or after this time: RFC 3339 with a zone, its + written as %2B, or epoch seconds.",
        ),
    ] = None
    end: Annotated[Moment | None, Field(alias="to", description="Scored before this time, written likewise.")] = None
    cursor: Annotated[str | None, Field(min_length=1, max_length=300, description="`next_cursor` of a page.")] = None
    limit: Annotated[
        int, BeforeValidator(_digits), Field(ge=1, le=200, description="Most records on a page, in digits.")
    ] = 50

    @model_validator(mode="after")
    def _check_interval(self) -> "ExplanationSearch":
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("from must lie before to")
        return self
