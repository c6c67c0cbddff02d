import numpy as np
import pytest
import sklearn.metrics  # noqa: F401 - or the first example would take the time of this import
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.training.evaluation import CardPrecision, average_precision, card_precision, known_compromised, measure, roc_auc

rows_with_ties = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def pairwise_auc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    gaps = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return float(np.mean((gaps > 0) + (gaps == 0) / 2))


def stepwise_precision(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        alerts = scores >= threshold
        reached = labels[alerts].sum() / labels.sum()
        area, recall = area + (reached - recall) * labels[alerts].mean(), reached
    return float(area)


@given(rows_with_ties)
def test_ranking_figures_follow_their_definitions(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    # Sums of at most 60 terms in [0, 1], added in another order.
    assert roc_auc(labels, scores) == pytest.approx(pairwise_auc(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(stepwise_precision(labels, scores), abs=1e-12)


def test_figures_without_frauds_are_undefined_not_wrong() -> None:
    labels, scores = np.zeros(3, int), np.array([0.1, 0.2, 0.3])
    assert np.isnan(roc_auc(labels, scores))
    assert np.isnan(average_precision(labels, scores))


def test_perfect_scores_reach_the_ceiling_of_card_precision() -> None:
    random = np.random.default_rng(1)
    labels = (random.random(5000) < 0.02).astype(int)
    customers, days = random.integers(0, 300, 5000), random.integers(0, 7, 5000)
    perfect = card_precision(labels, labels.astype(float), customers=customers, days=days, k=20)
    assert perfect.value == perfect.ceiling > 0


def test_a_detected_card_is_not_looked_at_again() -> None:
    labels, scores = np.array([1, 1]), np.array([0.9, 0.9])
    found = card_precision(labels, scores, customers=np.array([4, 4]), days=np.array([0, 1]), k=1)
    assert found == CardPrecision(value=0.5, ceiling=0.5)


def test_a_card_counts_once_a_day_with_its_highest_score() -> None:
    labels, scores = np.array([0, 1, 0]), np.array([0.9, 0.1, 0.5])
    found = card_precision(labels, scores, customers=np.array([1, 1, 2]), days=np.zeros(3, int), k=1)
    assert found.value == 1.0


def test_a_fraud_known_long_ago_no_longer_blocks_a_card() -> None:
    blocked = known_compromised(
        customers=np.array([1]), moments=np.array([100]), frauds=(np.array([1]), np.array([10])), since=20
    )
    assert not blocked.any()


def test_a_fraud_blocks_a_card_from_the_first_day_that_begins_after_it_is_known() -> None:
    blocked = known_compromised(
        customers=np.array([1, 1, 1]),
        moments=np.array([99, 100, 101]),
        frauds=(np.array([1]), np.array([100])),
        since=0,
    )
    assert blocked.tolist() == [False, False, True]


def test_equal_scores_at_the_border_of_the_top_are_ranked_by_customer_whatever_the_order_of_rows() -> None:
    labels, customers = np.array([1, 0, 0]), np.array([1, 2, 3])
    for order in ([0, 1, 2], [2, 1, 0]):
        found = card_precision(labels[order], np.ones(3), customers=customers[order], days=np.zeros(3, int), k=1)
        assert found.value == 1.0


def test_cards_beyond_the_top_of_a_day_may_be_found_on_the_next() -> None:
    labels, scores = np.array([1, 1, 1]), np.array([0.9, 0.8, 0.7])
    found = card_precision(labels, scores, customers=np.array([1, 2, 2]), days=np.array([0, 0, 1]), k=1)
    assert found.value == found.ceiling == 1.0


def test_an_empty_slice_has_no_figures() -> None:
    nothing = np.array([], int)
    quality = measure(nothing, nothing.astype(float), customers=nothing, days=nothing)
    assert (quality.rows, quality.frauds) == (0, 0)
    assert np.isnan(quality.base_rate)
    assert np.isnan(quality.card_precision.value)
