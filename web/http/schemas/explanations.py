"""Answers about explanations: the score as a sum, and what each component saw."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from ml.domain.transaction import Identifier, Transaction
from web.http.schemas.decisions import AnswerModel, PartAnswer, Probability, StoredDecision


class ContributionAnswer(PartAnswer):
    """A part in either direction; one that is no longer known has neither code nor family."""

    code: Annotated[str | None, Field(description="Stable reason code.")]
    family: Annotated[str | None, Field(description="The feature's family; `component` for a component.")]


class SequenceStepAnswer(AnswerModel):
    """One of the customer's last payments, as the sequence component read it."""

    at: Annotated[datetime | None, Field(description="Event time; null beyond a gap of 60 days.")]
    amount: Annotated[float, Field(description="In currency units; four digits from 10,000 on.")]
    log_odds: Annotated[float, Field(description="What the component would say had the payments ended here.")]
    rise: Annotated[
        float | None,
        Field(description="By how much this payment raised the log-odds for good; null if that cannot be told."),
    ]


class SequenceAnswer(AnswerModel):
    """The sequence component step by step; `lowest` plus all rises is `log_odds`."""

    log_odds: Annotated[float, Field(description="The component's answer.")]
    lowest: Annotated[float, Field(description="The lowest log-odds on the way.")]
    decisive: Annotated[int | None, Field(description="Position of the step with the largest rise.")]
    text: str
    steps: list[SequenceStepAnswer]


class RarityAnswer(AnswerModel):
    """How unusual the payment is to an unsupervised component."""

    rarer_than: Annotated[
        Probability, Field(description="Share of legitimate payments that are less unusual, at least.")
    ]


class LeastExpectedAnswer(AnswerModel):
    """A feature that the autoencoder could not rebuild from the others."""

    feature: str
    value: float
    expected: Annotated[float, Field(description="What the autoencoder rebuilt, in the feature's unit.")]
    share: Annotated[Probability, Field(description="Share of the whole reconstruction error.")]
    text: str


class ReconstructionAnswer(RarityAnswer):
    """How unusual the payment is to the autoencoder, and why."""

    least_expected: list[LeastExpectedAnswer]


class UnusualAnswer(AnswerModel):
    """What the unsupervised components saw."""

    anomaly: RarityAnswer
    autoencoder: ReconstructionAnswer


class ScoreExplanation(AnswerModel):
    """The score as a sum in log-odds: `bias` plus all contributions is `log_odds`, whose sigmoid is the score.

    Records of earlier versions hold the tabular component alone: their sum is `tabular_log_odds`, and what belongs to
    other components is absent.
    """

    bias: float
    log_odds: float | None = None
    tabular_log_odds: float | None = None
    vector: Annotated[dict[str, float], Field(description="Every feature's value.")]
    contributions: Annotated[list[ContributionAnswer], Field(description="Every part, the largest effect first.")]
    sequence: SequenceAnswer | None = None
    unusual: UnusualAnswer | None = None


class ModelAnswer(AnswerModel):
    """The model that scored."""

    version: str
    hash: Annotated[str | None, Field(description="SHA-256 of its manifest; null in a repaired record.")]


class ExplanationAnswer(StoredDecision):
    """The full record of a decision: the decision, the transaction, the model and every number behind the score."""

    customer_id: Identifier
    correlation_id: str
    fingerprint: Annotated[str, Field(description="Equal for equal transactions.")]
    transaction: Transaction
    model: ModelAnswer
    explanation: Annotated[
        ScoreExplanation | None, Field(description="Null if the record was repaired from the decision alone.")
    ]


class ExplanationPageAnswer(AnswerModel):
    """One page of a search, newest first."""

    items: list[ExplanationAnswer]
    next_cursor: Annotated[str | None, Field(description="Cursor of the next page; null on the last.")]
