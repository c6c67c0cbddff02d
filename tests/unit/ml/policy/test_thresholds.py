import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.decision import Outcome
from ml.domain.errors import DataError
from ml.policy.thresholds import ThresholdPolicy, choose_thresholds, cost_thresholds, operating_point

costs = st.floats(0.01, 1e4)


@given(costs, costs, st.floats(0.01, 1.0), st.floats(0.5, 1e4), st.floats(0.0, 1.0))
def test_the_decision_is_the_cheapest_action(
    false_positive: float, review: float, lost: float, amount: float, probability: float
) -> None:
    policy = ThresholdPolicy(cost_false_positive=false_positive, cost_review=review, cost_fraud_fraction=lost)
    price = {
        Outcome.APPROVE: probability * lost * amount,
        Outcome.REVIEW: review,
        Outcome.DECLINE: (1 - probability) * false_positive,
    }
    chosen = cost_thresholds(policy, mean_fraud_amount=amount).decide(probability)
    assert price[chosen] <= min(price.values()) * (1 + 1e-6) + 1e-6


def test_capacity_sends_as_many_to_review_as_can_be_reviewed() -> None:
    scores = np.random.default_rng(1).random(7000) ** 4
    policy = ThresholdPolicy(reviews_per_day=20)
    chosen = choose_thresholds(policy, mean_fraud_amount=100, scores=scores, days=7)
    assert (scores >= chosen.review).sum() == 140
    assert chosen.decline >= chosen.review


def test_more_capacity_than_transactions_reviews_everything() -> None:
    scores = np.array([0.1, 0.2])
    chosen = choose_thresholds(ThresholdPolicy(reviews_per_day=1e6), mean_fraud_amount=100, scores=scores, days=1)
    assert chosen.review == pytest.approx(0.1)


@pytest.mark.parametrize(
    "policy",
    [{"cost_false_positive": 0}, {"cost_review": -1}, {"cost_fraud_fraction": float("nan")}, {"reviews_per_day": 0}],
)
def test_free_mistakes_are_refused(policy: dict[str, float]) -> None:
    with pytest.raises(DataError):
        ThresholdPolicy(**policy)


def test_a_threshold_above_every_score_has_no_precision() -> None:
    point = operating_point(0.9, labels=np.array([1, 0]), scores=np.array([0.1, 0.2]), days=1)
    assert np.isnan(point.precision)
    assert point.recall == 0
