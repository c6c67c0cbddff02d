from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.model.graph import GraphBuilder
from ml.model.isolation_forest import IsolationForest, _float32_at_most, fit_isolation_forest


@pytest.fixture(scope="module")
def forest(rows: Any) -> IsolationForest:
    return fit_isolation_forest(rows.vectors, seed=1)


def test_graph_gives_the_scores_of_scikit_learn(forest: IsolationForest, rows: Any, run: Any) -> None:
    graph = GraphBuilder()
    scores = forest.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    (served,) = run(graph, [(scores, None)], vectors=rows.vectors)
    # The mean of 100 path lengths in float32.
    np.testing.assert_allclose(served, forest.scores(rows.vectors), atol=1e-6)


def test_a_forest_of_some_columns_is_blind_to_the_others(rows: Any, run: Any) -> None:
    forest = fit_isolation_forest(rows.vectors, columns=[7, 0, 3], seed=1)
    changed = rows.vectors.copy()
    changed[:, [column for column in range(changed.shape[1]) if column not in {7, 0, 3}]] = 1e6
    np.testing.assert_array_equal(forest.scores(changed), forest.scores(rows.vectors))
    graph = GraphBuilder()
    scores = forest.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    (served,) = run(graph, [(scores, None)], vectors=changed)
    np.testing.assert_allclose(served, forest.scores(rows.vectors), atol=1e-6)


def test_a_stranger_scores_above_every_ordinary_row(forest: IsolationForest, rows: Any) -> None:
    stranger = rows.vectors.max(axis=0, keepdims=True) * 10
    assert forest.scores(stranger)[0] > np.quantile(forest.scores(rows.vectors), 0.99)


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6, width=32),
)
def test_a_threshold_in_float32_parts_float32_values_as_the_exact_one(threshold: float, value: float) -> None:
    assert (value <= threshold) == (value <= _float32_at_most(threshold))
