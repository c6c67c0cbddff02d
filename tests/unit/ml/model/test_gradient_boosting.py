from typing import Any

import numpy as np
import pytest

from ml.model.gradient_boosting import BoostingSettings, GradientBoosting, fit_gradient_boosting
from ml.model.graph import GraphBuilder

FLOAT32_SUM = 1e-5  # sums of some hundred float32 values, in another order


@pytest.fixture(scope="module")
def booster(rows: Any) -> GradientBoosting:
    return fit_gradient_boosting(rows.vectors, rows.labels, settings=BoostingSettings(trees=60), seed=1)


def test_graph_gives_the_margin_of_the_booster(booster: GradientBoosting, rows: Any, run: Any) -> None:
    graph = GraphBuilder()
    margin, _ = booster.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    (served,) = run(graph, [(margin, None)], vectors=rows.vectors)
    np.testing.assert_allclose(served, booster.margins(rows.vectors), atol=FLOAT32_SUM)


def test_contributions_are_those_of_the_paths_and_add_up_to_the_margin(
    booster: GradientBoosting, rows: Any, run: Any
) -> None:
    import xgboost

    graph = GraphBuilder()
    columns = rows.vectors.shape[1]
    _, contributions = booster.add_to(graph, graph.input("vectors", [columns]))
    (served,) = run(graph, [(contributions, columns)], vectors=rows.vectors)
    by_library = booster._booster.predict(xgboost.DMatrix(rows.vectors), pred_contribs=True, approx_contribs=True)
    np.testing.assert_allclose(served, by_library[:, :-1], atol=FLOAT32_SUM)
    assert booster.bias() == pytest.approx(by_library[0, -1], abs=FLOAT32_SUM)
    np.testing.assert_allclose(
        served.sum(axis=1, dtype=np.float64) + booster.bias(), booster.margins(rows.vectors), atol=FLOAT32_SUM
    )


def test_an_unused_feature_contributes_nothing(booster: GradientBoosting, rows: Any, run: Any) -> None:
    graph = GraphBuilder()
    columns = rows.vectors.shape[1]
    _, contributions = booster.add_to(graph, graph.input("vectors", [columns]))
    (served,) = run(graph, [(contributions, columns)], vectors=rows.vectors)
    assert not served[:, 5].any()


def test_rows_on_a_split_go_the_same_way_in_the_graph(booster: GradientBoosting, rows: Any, run: Any) -> None:
    splits = [node for nodes in booster.trees() for node in nodes if node.feature >= 0][:200]
    vectors = np.repeat(rows.vectors[:1], len(splits), axis=0)
    for row, node in enumerate(splits):
        vectors[row, node.feature] = node.threshold
    graph = GraphBuilder()
    margin, _ = booster.add_to(graph, graph.input("vectors", [vectors.shape[1]]))
    (served,) = run(graph, [(margin, None)], vectors=vectors)
    np.testing.assert_allclose(served, booster.margins(vectors), atol=FLOAT32_SUM)


def test_a_validation_slice_stops_trees_that_only_learn_noise(rows: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 2, len(rows.labels))
    half = len(noise) // 2
    seen: list[int] = []
    booster = fit_gradient_boosting(
        rows.vectors[:half],
        noise[:half],
        validation=(rows.vectors[half:], noise[half:]),
        settings=BoostingSettings(trees=200, patience=5),
        after_tree=seen.append,
    )
    assert booster.tree_count < seen[-1] < 200


def test_the_same_seed_grows_the_same_trees(rows: Any) -> None:
    settings = BoostingSettings(trees=5)
    first, second = (fit_gradient_boosting(rows.vectors, rows.labels, settings=settings, seed=3) for _ in range(2))
    assert list(first.trees()) == list(second.trees())


def test_trees_that_never_split_are_served_too(rows: Any, run: Any) -> None:
    blind = fit_gradient_boosting(
        rows.vectors, rows.labels, settings=BoostingSettings(trees=2, min_child_weight=1e9), seed=1
    )
    graph = GraphBuilder()
    margin, _ = blind.add_to(graph, graph.input("vectors", [rows.vectors.shape[1]]))
    (served,) = run(graph, [(margin, None)], vectors=rows.vectors)
    np.testing.assert_allclose(served, blind.margins(rows.vectors), atol=FLOAT32_SUM)
