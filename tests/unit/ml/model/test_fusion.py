from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.model.fusion import COMPONENTS, NOVELTY_SHARE, Fusion, fit_fusion
from ml.model.graph import GraphBuilder


def sample(rows: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    random = np.random.default_rng(11)
    labels = (random.random(rows) < 0.02).astype(np.int8)
    evidence = np.array([5.0, 2.0, 2.0, 3.0])
    log_odds = random.normal(-5, 1, (rows, 4)) + labels[:, None] * evidence * random.random((rows, 1))
    return log_odds, labels


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return fit_fusion(*sample())


def test_graph_gives_the_native_scores(fusion: Fusion, run: Any) -> None:
    log_odds, _ = sample()
    log_odds[:4] = [[60, 60, 60, 60], [-80, -80, -80, -80], [-80, 60, 60, -80], [60, -80, -80, -80]]
    graph = GraphBuilder()
    inputs = tuple(graph.input(name, [1]) for name in COMPONENTS)
    score = fusion.add_to(graph, inputs)
    columns = {name: log_odds[:, [place]].astype(np.float32) for place, name in enumerate(COMPONENTS)}
    (served,) = run(graph, [(score, None)], **columns)
    np.testing.assert_allclose(served, fusion.scores(log_odds), atol=1e-6)


def test_scores_are_calibrated(fusion: Fusion) -> None:
    log_odds, labels = sample()
    scores = fusion.scores(log_odds)
    assert scores.mean() == pytest.approx(labels.mean(), rel=0.02)
    likely = scores > 0.5
    assert scores[likely].mean() == pytest.approx(labels[likely].mean(), abs=0.1)


def test_the_unsupervised_voice_is_heard_when_the_supervised_components_are_silent(fusion: Fusion) -> None:
    ordinary, novel = fusion.scores(np.array([[-9.0, -5, -5, -9], [-9.0, 8, 8, -9]]))
    assert novel > 20 * ordinary
    assert novel > NOVELTY_SHARE / 4


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
