"""Where decisions change: thresholds from costs, or from the number of cases that analysts can review."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.domain.decision import Thresholds
from ml.domain.errors import DataError

_LEAST_THRESHOLD = 1e-6


@dataclass(frozen=True, slots=True)
class ThresholdPolicy:
    """The costs of mistakes, in the currency's unit, or the capacity for reviews.

    Attributes:
        cost_false_positive: a legitimate payment declined.
        cost_review: one review, after which the outcome is taken to be right.
        cost_fraud_fraction: share of a missed fraud's amount that is lost.
        reviews_per_day: if given, the review threshold lets this many payments a day through to review or decline,
            whatever a review costs.
    """

    cost_false_positive: float = 20.0
    cost_review: float = 4.0
    cost_fraud_fraction: float = 1.0
    reviews_per_day: float | None = None

    def __post_init__(self) -> None:
        costs = (self.cost_false_positive, self.cost_review, self.cost_fraud_fraction)
        capacity = 1.0 if self.reviews_per_day is None else self.reviews_per_day
        if not all(np.isfinite(value) and value > 0 for value in (*costs, capacity)):
            raise DataError("Costs, the lost share of a fraud and reviews per day must be greater than 0.")


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The effect of acting at a threshold on one slice; precision is NaN without alerts, recall without frauds."""

    threshold: float
    alerts_per_day: float
    precision: float
    recall: float


def cost_thresholds(policy: ThresholdPolicy, *, mean_fraud_amount: float) -> Thresholds:
    """Returns the thresholds of least expected cost for calibrated probabilities.

    Approving costs p · loss, a review its fixed cost, declining (1 - p) · cost of a false positive; each is chosen
    where it is the cheapest. Source: Chow, "On optimum recognition error and reject tradeoff", 1970.

    >>> policy = ThresholdPolicy(cost_false_positive=20, cost_review=4, cost_fraud_fraction=1)
    >>> cost_thresholds(policy, mean_fraud_amount=100)
    Thresholds(review=0.04, decline=0.8)
    """
    loss = policy.cost_fraud_fraction * mean_fraud_amount
    review = policy.cost_review / loss
    decline = 1.0 - policy.cost_review / policy.cost_false_positive
    if review >= decline:
        # A review never pays: decline where that is cheaper than approving.
        review = decline = policy.cost_false_positive / (policy.cost_false_positive + loss)
    return Thresholds(review=review, decline=decline)


def capacity_thresholds(
    policy: ThresholdPolicy, *, mean_fraud_amount: float, scores: NDArray[np.floating[Any]], days: float
) -> Thresholds:
    """Returns a review threshold that `reviews_per_day` of these scores reach, and the decline threshold by cost."""
    alerts = max(1, min(len(scores), round((policy.reviews_per_day or 0.0) * days)))
    review = max(float(np.sort(scores)[-alerts]), _LEAST_THRESHOLD)
    decline = cost_thresholds(policy, mean_fraud_amount=mean_fraud_amount).decline
    return Thresholds(review=review, decline=max(review, decline))


def choose_thresholds(
    policy: ThresholdPolicy, *, mean_fraud_amount: float, scores: NDArray[np.floating[Any]], days: float
) -> Thresholds:
    """Returns the thresholds of a policy; `scores` are those of `days` days on which the model was not fitted."""
    if policy.reviews_per_day is None:
        return cost_thresholds(policy, mean_fraud_amount=mean_fraud_amount)
    return capacity_thresholds(policy, mean_fraud_amount=mean_fraud_amount, scores=scores, days=days)


def operating_point(
    threshold: float, *, labels: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]], days: float
) -> OperatingPoint:
    """Returns the effect that a threshold would have had.

    >>> operating_point(0.5, labels=np.array([1, 0, 1]), scores=np.array([0.9, 0.6, 0.1]), days=2.0)
    OperatingPoint(threshold=0.5, alerts_per_day=1.0, precision=0.5, recall=0.5)
    """
    alerts = scores >= threshold
    caught, alert_count, frauds = int(labels[alerts].sum()), int(alerts.sum()), int(labels.sum())
    return OperatingPoint(
        threshold=threshold,
        alerts_per_day=alert_count / days,
        precision=caught / alert_count if alert_count else float("nan"),
        recall=caught / frauds if frauds else float("nan"),
    )
