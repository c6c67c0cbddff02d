import math

import pytest
from prometheus_client import REGISTRY

from ml.domain.decision import Breakdown, Decision, Outcome, Thresholds
from ml.policy.safe_mode_rules import RULES_VERSION
from ml.serving.pipeline import BatchReport
from tasks.losses.recent_answers import RecentAnswers
from tasks.scoring import conclude
from tasks.services import provide


@pytest.fixture(autouse=True)
def answers_are_remembered() -> None:
    provide(RecentAnswers, RecentAnswers())


def decided(score: float, model_version: str) -> Decision:
    return Decision(
        transaction_id=f"t-{score}",
        decision=Outcome.REVIEW,
        score=score,
        threshold=Thresholds(review=0.2, decline=0.9),
        breakdown=Breakdown(tabular=0.0, anomaly=0.0, autoencoder=0.0, sequence=0.0),
        reasons=(),
        model_version=model_version,
        scored_at="2026-01-01T00:00:00Z",
    )


def batch(*decisions: Decision) -> BatchReport:
    return BatchReport(
        decisions=decisions, channels=("pos",) * len(decisions), correlation_ids=("aaaaaaaa",) * len(decisions)
    )


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_the_scores_of_a_version_give_their_average_and_spread() -> None:
    conclude(batch(decided(0.004, "spread-1"), decided(0.5, "spread-1"), decided(0.25, "spread-2")), 0.001)
    assert sample("model_score_count", model_version="spread-1") == 2
    assert sample("model_score_sum", model_version="spread-1") == pytest.approx(0.504)
    assert sample("model_score_bucket", model_version="spread-1", le="0.005") == 1
    assert sample("model_score_bucket", model_version="spread-1", le="0.4") == 1
    assert sample("model_score_bucket", model_version="spread-1", le="0.5") == 2
    assert sample("model_score_count", model_version="spread-2") == 1


def test_what_is_no_probability_is_counted_as_a_decision_and_not_as_a_score() -> None:
    conclude(batch(decided(1.0, RULES_VERSION), decided(math.nan, "nan-1"), decided(0.5, "nan-1")), 0.001)
    assert sample("model_score_count", model_version=RULES_VERSION) is None
    assert sample("model_score_sum", model_version="nan-1") == 0.5
    counted = {"decision": "review", "channel": "pos"}
    assert sample("model_decisions_total", model_version="nan-1", **counted) == 2
    assert sample("model_decisions_total", model_version=RULES_VERSION, **counted) == 1
