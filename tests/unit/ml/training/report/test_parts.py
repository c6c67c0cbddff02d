import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.decision import Thresholds
from ml.features.schema import FEATURE_NAMES
from ml.model.fusion import COMPONENTS
from ml.policy.thresholds import ThresholdPolicy
from ml.training.report.ablation import quality_without
from ml.training.report.cost import DecisionCost
from ml.training.report.reliability import STRETCHED_EDGES, reliability
from ml.training.report.stability import shifts
from ml.training.trained_model import TrainedModel

POLICY = ThresholdPolicy(cost_false_positive=20, cost_review=4, cost_fraud_fraction=0.5)


@pytest.fixture
def cost(trained: TrainedModel) -> DecisionCost:
    evidence = trained.evidence
    return DecisionCost(
        evidence.measured.labels, evidence.measured.outputs["score"], evidence.amounts, POLICY, evidence.span_days
    )


def test_approving_everything_costs_the_lost_share_of_all_frauds(cost: DecisionCost) -> None:
    lost = cost.amounts[cost.labels == 1].sum() * 0.5 / cost.days
    assert cost.of_doing_nothing() == pytest.approx(lost)


def test_reviewing_everything_costs_a_review_each(cost: DecisionCost) -> None:
    assert cost.per_day(0.0, np.inf) == pytest.approx(4 * len(cost.labels) / cost.days)


def test_declining_everything_costs_every_legitimate_payment(cost: DecisionCost) -> None:
    assert cost.per_day(0.0, 0.0) == pytest.approx(20 * (cost.labels == 0).sum() / cost.days)


def test_the_curves_meet_at_the_chosen_thresholds(cost: DecisionCost) -> None:
    chosen = Thresholds(review=0.05, decline=0.7)
    here = cost.per_day(0.05, 0.7)
    assert cost.by_review(np.array([0.05]), chosen).tolist() == [here]
    assert cost.by_decline(np.array([0.7]), chosen).tolist() == [here]


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=50))
def test_every_payment_lies_in_one_group_of_the_reliability_curve(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([score for score, _ in rows]), np.array([int(label) for _, label in rows])
    groups = reliability(labels, scores)
    assert sum(group.rows for group in groups) == len(rows)
    assert sum(group.rows * group.observed for group in groups) == pytest.approx(labels.sum())
    assert [group.start for group in groups] == sorted({group.start for group in groups} & set(STRETCHED_EDGES))
    for group in groups:
        assert group.start <= group.expected <= group.end
        assert 0.0 <= group.low <= group.observed + 1e-12
        assert group.observed - 1e-12 <= group.high <= 1.0


def test_a_fusion_without_nothing_is_nearly_the_served_one(trained: TrainedModel) -> None:
    # Not quite: it hears the components through float32 probabilities.
    again = quality_without(trained.evidence, ())
    assert again.average_precision == pytest.approx(trained.measurement.quality["score"].average_precision, abs=0.02)


def test_a_fusion_without_anything_ranks_by_chance(trained: TrainedModel) -> None:
    nothing = quality_without(trained.evidence, COMPONENTS)
    assert nothing.auc == pytest.approx(0.5)
    assert nothing.average_precision == pytest.approx(nothing.base_rate)


def test_every_feature_and_the_score_stand_beside_their_reference(trained: TrainedModel) -> None:
    moved = shifts(trained)
    assert [shift.name for shift in moved] == ["score", *FEATURE_NAMES]
    for shift in moved:
        assert sum(shift.counts) == len(trained.evidence.measured.labels)
        assert len(shift.counts) == len(shift.reference.counts)
        assert shift.index >= 0.0
