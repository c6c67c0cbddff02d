"""The decision: the answer to a transaction, and the facts behind it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The instruction to the payment system, from mild to severe."""

    APPROVE = "approve"
    REVIEW = "review"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities in [0, 1] from which a transaction is reviewed and declined; review ≤ decline."""

    review: float
    decline: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.review <= self.decline <= 1.0:
            raise ValueError(f"thresholds must satisfy 0 <= review <= decline <= 1, got {self.review}, {self.decline}")

    def decide(self, score: float) -> Outcome:
        """Returns the outcome of a score; a higher score never gets a milder one.

        >>> str(Thresholds(review=0.2, decline=0.8).decide(0.2))
        'review'
        """
        if score >= self.decline:
            return Outcome.DECLINE
        # Written so that a NaN score, which compares false with everything, is reviewed and never approved.
        return Outcome.APPROVE if score < self.review else Outcome.REVIEW


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Each component's score, all in [0, 1], higher is more suspicious."""

    tabular: float
    anomaly: float
    autoencoder: float
    sequence: float


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of the score, a feature's or a component's: contribution in log-odds, positive towards fraud.

    `feature` names a feature of the schema or a term of `ml.model.terms`; `value` is the feature's, or the component's
    score.
    """

    code: str
    feature: str
    value: float
    contribution: float
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one transaction, without correlation id and timings, which belong to the request."""

    transaction_id: str
    decision: Outcome
    score: float
    threshold: Thresholds
    breakdown: Breakdown
    reasons: tuple[Reason, ...]
    model_version: str
    scored_at: str

    def wire(self) -> dict[str, Any]:
        """Returns the JSON-ready form, fields in the order of the API."""
        return asdict(self) | {"reasons": [asdict(reason) for reason in self.reasons]}
