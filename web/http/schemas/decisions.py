"""Answers about decisions, labels and problems."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ml.domain.decision import Outcome
from ml.domain.transaction import Identifier

Probability = Annotated[float, Field(ge=0, le=1)]


class AnswerModel(BaseModel):
    """An answer; clients must accept members that later versions add."""


class ThresholdsAnswer(AnswerModel):
    """Scores from which a transaction is reviewed and declined."""

    review: Probability
    decline: Probability


class BreakdownAnswer(AnswerModel):
    """What each component of the model says; higher is more suspicious."""

    tabular: Probability
    anomaly: Probability
    autoencoder: Probability
    sequence: Probability


class PartAnswer(AnswerModel):
    """One part of the score: a feature's, or that of a component that looks at the payment as a whole."""

    feature: Annotated[
        str, Field(description="A feature, or the component `sequence`, `anomaly`, `autoencoder` or `novelty`.")
    ]
    value: Annotated[float, Field(description="The feature's value, or the component's score.")]
    contribution: Annotated[float, Field(description="In log-odds; positive towards fraud.")]
    text: Annotated[str, Field(description="What it says, in plain language.")]


class ReasonAnswer(PartAnswer):
    """A part that pushes towards fraud."""

    code: Annotated[str, Field(description="Stable reason code.")]


class StoredDecision(AnswerModel):
    """A decision, the same bytes at every retry."""

    transaction_id: Identifier
    decision: Outcome
    score: Annotated[Probability, Field(description="Calibrated probability of fraud.")]
    threshold: ThresholdsAnswer
    breakdown: BreakdownAnswer
    reasons: list[ReasonAnswer]
    model_version: Annotated[str, Field(description="`rules-1` if the rules of SAFE MODE decided.")]
    scored_at: datetime
    safe_mode: Annotated[
        Literal[True] | None,
        Field(description="True if SAFE MODE was on and rules decided; `score` is no probability then. Else absent."),
    ] = None


class TimingsAnswer(AnswerModel):
    """Where the time went, milliseconds; a retry of a decided transaction has only `total_ms` for certain."""

    queue_ms: Annotated[float, Field(ge=0)] | None = None
    features_ms: Annotated[float, Field(ge=0)] | None = None
    model_ms: Annotated[float, Field(ge=0)] | None = None
    total_ms: Annotated[float, Field(ge=0)]


class DecisionAnswer(StoredDecision):
    """A decision with the correlation id and timings of this request."""

    correlation_id: str
    timings: TimingsAnswer


class Violation(AnswerModel):
    """One thing wrong with a body or parameter."""

    pointer: Annotated[str, Field(description="JSON pointer into the body, or /path/… or /query/….")]
    message: str


class ProblemAnswer(AnswerModel):
    """Problem details (RFC 9457)."""

    type: Annotated[str, Field(description="Link to the description of this kind of problem.")]
    title: str
    status: Annotated[
        int | Literal["safe_mode"], Field(description="HTTP status; the word safe_mode while in SAFE MODE.")
    ]
    detail: str
    correlation_id: str | None
    errors: list[Violation] | None = None
    reason: Annotated[str | None, Field(description="Why the platform is in SAFE MODE.")] = None
    transaction_id: Annotated[str | None, Field(description="In a batch: the transaction that failed.")] = None
    retry_after_seconds: Annotated[
        int | None,
        Field(ge=1, description="In a batch: when to send this one again."),
    ] = None


class BatchAnswer(AnswerModel):
    """One result per transaction, in the order of the request: a decision, or the problem that stood in its way."""

    results: list[DecisionAnswer | ProblemAnswer]
    correlation_id: str
    timings: TimingsAnswer


class LabelAnswer(AnswerModel):
    """The label was taken over durably; it reaches features and training within seconds."""

    transaction_id: Identifier
    status: Literal["accepted"]
    correlation_id: str
