"""Bodies, parameters and answers of the API that are not already models of the domain.

The answer models are documentation: nothing is validated on the way out, but a test compares real answers with them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from ml.domain.decision import Outcome
from ml.domain.transaction import Identifier, Transaction

Probability = Annotated[float, Field(ge=0, le=1)]


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

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="Shown to every client.")]


class ReasonRequest(RequestModel):
    """Why an administrator changes something."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="Kept in the audit.")]


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
        AwareDatetime | None, Field(alias="from", description="Scored at or after this time (RFC 3339 with a zone).")
    ] = None
    end: Annotated[AwareDatetime | None, Field(alias="to", description="Scored before this time.")] = None
    cursor: Annotated[str | None, Field(min_length=1, max_length=300, description="`next_cursor` of a page.")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Most records on a page.")] = 50

    @model_validator(mode="after")
    def _check_interval(self) -> "ExplanationSearch":
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("from must lie before to")
        return self


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


class SafeModeAnswer(AnswerModel):
    """How the SAFE MODE switch stands; the texts are empty while it is off."""

    enabled: bool
    reason: str
    by: str
    since: Annotated[str, Field(description="RFC 3339, or empty if it was never switched.")]


class ModelVersionAnswer(AnswerModel):
    """One version of the model."""

    version: str
    created_at: datetime
    metrics: dict[str, float]
    feature_schema_hash: str
    code_version: str
    aliases: list[Literal["champion", "challenger"]]


class AliasesAnswer(AnswerModel):
    """The versions that play a part."""

    champion: str | None
    challenger: str | None


class ModelsAnswer(AnswerModel):
    """The model registry, newest version first."""

    champion: str | None
    challenger: str | None
    versions: list[ModelVersionAnswer]


class LivenessAnswer(AnswerModel):
    """The process answers."""

    status: Literal["alive"]


class CheckAnswer(AnswerModel):
    """One condition of readiness."""

    ok: bool
    detail: str


class ReadinessAnswer(AnswerModel):
    """Whether scoring works, and if not, what is missing."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, CheckAnswer]
    perf_mode: bool = Field(description="Whether this process runs in PERF_MODE, which keeps no decision.")


class QueueAnswer(AnswerModel):
    """One Celery queue."""

    queue: str
    depth: int
    oldest_seconds: Annotated[float | None, Field(description="Age of the oldest message; null if unknown.")]
    consumers: int


class LagAnswer(AnswerModel):
    """What one consumer of a stream has not acknowledged."""

    entries: int
    oldest_seconds: float
    dead_letters: int


class WorkerAnswer(AnswerModel):
    """One live worker."""

    name: str
    queue: str
    model_version: str | None
    started_at: Annotated[float, Field(description="Epoch seconds.")]
    shard: Annotated[str | None, Field(description="The shard it works for; null if it works for all.")]


class ShardAnswer(AnswerModel):
    """One shard of scoring; queues and outbox are empty if it does not answer."""

    shard: str
    reachable: bool
    queues: list[QueueAnswer]
    outbox: dict[str, LagAnswer]


class QueuesAnswer(AnswerModel):
    """Queues, stream lags and workers."""

    queues: list[QueueAnswer]
    outbox: dict[str, LagAnswer]
    workers: list[WorkerAnswer]
    shards: Annotated[list[ShardAnswer], Field(description="Empty where scoring is not sharded.")]
