"""The cost of decisions on the measured slice, in money, at the chosen thresholds and at others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.domain.decision import Thresholds
from ml.policy.thresholds import ThresholdPolicy


@dataclass(frozen=True)
class DecisionCost:
    """Prices pairs of thresholds on scored, labelled payments.

    An approved fraud costs its own amount times the lost share, a review its fixed cost, a declined legitimate payment
    the cost of a false positive. A review is taken to find out the truth, as in `ml.policy.thresholds`.

    Args:
        labels: 0 or 1 [N].
        scores: [N].
        amounts: currency units [N].
        policy: the costs.
        days: length of the slice.
    """

    labels: NDArray[np.int8]
    scores: NDArray[np.floating[Any]]
    amounts: NDArray[np.float64]
    policy: ThresholdPolicy
    days: float

    def per_day(self, review: float, decline: float) -> float:
        """Returns the cost of a day; payments from `decline` on are declined, those from `review` on reviewed.

        >>> labels, scores = np.array([1, 1, 0, 0], np.int8), np.array([0.9, 0.1, 0.8, 0.5])
        >>> policy = ThresholdPolicy(cost_false_positive=20, cost_review=4, cost_fraud_fraction=1)
        >>> cost = DecisionCost(labels, scores, np.array([100.0, 30.0, 5.0, 5.0]), policy, days=1.0)
        >>> cost.per_day(0.4, 0.7)  # 30 lost, one review, one false positive
        54.0
        """
        is_declined = self.scores >= decline
        is_reviewed = ~is_declined & (self.scores >= review)
        is_missed = ~is_declined & ~is_reviewed & (self.labels == 1)
        total = (
            self.policy.cost_fraud_fraction * self.amounts[is_missed].sum()
            + self.policy.cost_review * is_reviewed.sum()
            + self.policy.cost_false_positive * (is_declined & (self.labels == 0)).sum()
        )
        return float(total / self.days)

    def of_doing_nothing(self) -> float:
        """Returns the cost of a day on which every payment is approved."""
        return self.per_day(np.inf, np.inf)

    def by_review(self, grid: NDArray[np.float64], chosen: Thresholds) -> NDArray[np.float64]:
        """Returns the cost of each review threshold of a grid, the decline threshold staying where it is."""
        return np.array([self.per_day(review, chosen.decline) for review in grid])

    def by_decline(self, grid: NDArray[np.float64], chosen: Thresholds) -> NDArray[np.float64]:
        """Returns the cost of each decline threshold of a grid, the review threshold staying where it is."""
        return np.array([self.per_day(chosen.review, decline) for decline in grid])
