from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.model.fusion import (
    COMPONENTS,
    MAX_NOVELTY_SHARE,
    NOVELTY_LIFT,
    Fusion,
    fit_fusion,
    novelty_surplus,
)
from ml.model.graph import GraphBuilder
from ml.model.terms import TERMS


def sample(rows: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    random = np.random.default_rng(11)
    labels = (random.random(rows) < 0.02).astype(np.int8)
    evidence = np.array([5.0, 2.0, 2.0, 3.0])
    log_odds = random.normal(-5, 1, (rows, 4)) + labels[:, None] * evidence * random.random((rows, 1))
    return log_odds, labels


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return fit_fusion(*sample())


def test_graph_gives_the_native_scores_and_terms(fusion: Fusion, run: Any) -> None:
    log_odds, _ = sample()
    log_odds[:4] = [[60, 60, 60, 60], [-80, -80, -80, -80], [-80, 60, 60, -80], [60, -80, -80, -80]]
    graph = GraphBuilder()
    inputs = tuple(graph.input(name, [1]) for name in COMPONENTS)
    score, terms = fusion.add_to(graph, inputs)
    columns = {name: log_odds[:, [place]].astype(np.float32) for place, name in enumerate(COMPONENTS)}
    served, parts = run(graph, [(score, None), (terms, len(TERMS))], **columns)
    np.testing.assert_allclose(served, fusion.scores(log_odds), atol=1e-6)
    # Log-odds of up to 140 in float32.
    np.testing.assert_allclose(parts, fusion.terms(log_odds), atol=1e-4)


def test_scores_are_calibrated(fusion: Fusion) -> None:
    log_odds, labels = sample()
    scores = fusion.scores(log_odds)
    assert scores.mean() == pytest.approx(labels.mean(), rel=0.02)
    likely = scores > 0.5
    assert scores[likely].mean() == pytest.approx(labels[likely].mean(), abs=0.1)


def test_the_novelty_term_raises_the_score_when_the_supervised_components_find_nothing(fusion: Fusion) -> None:
    ordinary, novel = fusion.scores(np.array([[-9.0, -5, -5, -9], [-9.0, 8, 8, -9]]))
    assert novel > 20 * ordinary
    assert novel > fusion.novelty_share / 4


@pytest.mark.parametrize(("anomaly", "autoencoder"), [(8.0, -8.0), (-8.0, 8.0)])
def test_one_unsupervised_component_is_enough_to_raise_the_score(
    fusion: Fusion, anomaly: float, autoencoder: float
) -> None:
    ordinary, novel = fusion.scores(np.array([[-9.0, -5, -5, -9], [-9.0, anomaly, autoencoder, -9]]))
    assert novel > 10 * ordinary


def test_labels_that_an_unsupervised_component_knows_nothing_of_do_not_silence_it() -> None:
    log_odds, labels = sample()
    log_odds[:, 1:3] = np.random.default_rng(3).normal(-4, 1, (len(labels), 2))
    ordinary, novel = fit_fusion(log_odds, labels).scores(np.array([[-9.0, -4, -4, -9], [-9.0, 6, -4, -9]]))
    assert novel > 20 * ordinary


def test_how_loud_novelty_may_be_follows_the_rate_of_frauds(fusion: Fusion) -> None:
    log_odds, labels = sample()
    assert fusion.novelty_share == pytest.approx(NOVELTY_LIFT * labels.mean())
    common = (log_odds[:, 0] > np.median(log_odds[:, 0])).astype(np.int8)
    assert fit_fusion(log_odds, common).novelty_share == MAX_NOVELTY_SHARE


def test_a_component_that_always_says_the_same_has_no_weight() -> None:
    log_odds, labels = sample()
    log_odds[:, 3] = -60.0
    weights = fit_fusion(log_odds, labels).wire()["weights"]
    assert weights["sequence"] == 0.0
    assert weights["tabular"] > 0.0


def test_bias_tabular_part_and_terms_add_up_to_the_log_odds_of_the_score(fusion: Fusion) -> None:
    log_odds, _ = sample()
    log_odds[:1000, :3] = [-40.0, 3.0, 3.0]  # unusual, and no known fraud at all
    bias = -2.5
    contributions = (log_odds[:, 0] - bias) * fusion.tabular_weight
    terms = fusion.terms(log_odds)
    novelty = terms[:1000, TERMS.index("novelty")]
    assert (novelty > np.abs(terms[:1000, : TERMS.index("novelty")]).sum(axis=1)).all()
    score = fusion.scores(log_odds)
    np.testing.assert_allclose(
        fusion.bias(bias) + contributions + terms.sum(axis=1), np.log(score) - np.log1p(-score), atol=1e-9
    )


def test_terms_of_usual_payments_are_small(fusion: Fusion) -> None:
    log_odds, labels = sample()
    np.testing.assert_allclose(np.median(fusion.terms(log_odds[labels == 0]), axis=0), 0.0, atol=1e-9)


def test_the_novelty_term_never_lowers_a_score() -> None:
    stacked, novelty = map(np.ravel, np.meshgrid(np.linspace(-90, 90, 61), np.linspace(-90, 90, 61)))
    surplus = novelty_surplus(stacked, novelty, share=0.02)
    assert (surplus >= 0).all()
    middle = np.abs(stacked) < 20  # where probabilities still hold the log-odds
    known, novel = 1 / (1 + np.exp(-stacked[middle])), 0.02 / (1 + np.exp(-novelty[middle]))
    either = known + novel * (1 - known)
    expected = np.log(either) - np.log1p(-either) - stacked[middle]
    np.testing.assert_allclose(surplus[middle], expected, atol=1e-6)


log_odds_values = st.floats(-60, 60)


@given(
    st.lists(log_odds_values, min_size=4, max_size=4),
    st.integers(0, 3),
    st.floats(0, 30),
)
def test_more_suspicion_of_any_component_never_lowers_the_score(
    fusion: Fusion, log_odds: list[float], component: int, more: float
) -> None:
    higher = list(log_odds)
    higher[component] += more
    low, high = fusion.scores(np.array([log_odds, higher]))
    assert 0.0 <= low <= 1.0
    assert high >= low - 1e-12  # rounding of the logarithms
