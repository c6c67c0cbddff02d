"""The anomaly component: an isolation forest, served as one tree ensemble.

The score is 2^(-E / c(ψ)) with E the mean path length over the trees, a leaf of n rows counting as its depth plus
c(n). Source: Liu, Ting, Zhou, "Isolation Forest", ICDM 2008, equations 1 and 2.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder, TreeTable

TREES = 100
SUBSAMPLE = 256
"""ψ, the rows each tree sees; both values are the paper's recommendation."""


def average_path_length(rows: int) -> float:
    """Returns c(n): the mean path length of an unsuccessful search in a binary search tree of n rows.

    >>> average_path_length(1), average_path_length(2)
    (0.0, 1.0)
    >>> round(average_path_length(256), 3)
    10.245
    """
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return 2.0 * (math.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows


class IsolationForest:
    """A fitted forest over some columns of vectors [B, F]; scores lie in (0, 1], higher is more unusual."""

    def __init__(self, columns: NDArray[np.intp], forest: Any) -> None:
        self._columns = columns
        self._forest = forest

    def scores(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the anomaly scores [B] as scikit-learn computes them."""
        return np.asarray(-self._forest.score_samples(np.asarray(vectors[:, self._columns], dtype=np.float32)))

    def add_to(self, graph: GraphBuilder, vectors: str) -> str:
        """Appends the forest; returns the name of its scores [B, 1]."""
        table = TreeTable()
        for index, (estimator, features) in enumerate(
            zip(self._forest.estimators_, self._forest.estimators_features_, strict=True)
        ):
            _write_tree(table, index, estimator.tree_, self._columns[features])
        length = table.add_to(graph, vectors, targets=1, aggregate="SUM")
        # The ensemble sums: the mean and the division by c(ψ) are one factor.
        factor = -math.log(2.0) / (len(self._forest.estimators_) * average_path_length(self._forest.max_samples_))
        return graph.add("Exp", graph.add("Mul", length, graph.constant([factor])))


def fit_isolation_forest(
    vectors: NDArray[np.float32], *, columns: Sequence[int] | None = None, seed: int = 0
) -> IsolationForest:
    """Fits the forest on the columns, by default all, of vectors [N, F]; labels play no part."""
    from sklearn.ensemble import IsolationForest as Forest

    chosen = np.arange(vectors.shape[1]) if columns is None else np.asarray(columns, np.intp)
    forest = Forest(n_estimators=TREES, max_samples=min(SUBSAMPLE, len(vectors)), random_state=seed, n_jobs=1)
    return IsolationForest(chosen, forest.fit(vectors[:, chosen]))


def _write_tree(table: TreeTable, index: int, tree: Any, features: NDArray[np.integer[Any]]) -> None:
    pending = [(0, 0)]
    while pending:
        node, depth = pending.pop()
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            table.leaf(index, node, {0: depth + average_path_length(int(tree.n_node_samples[node]))})
            continue
        table.branch(
            index,
            node,
            feature=int(features[tree.feature[node]]),
            threshold=_float32_at_most(float(tree.threshold[node])),
            mode="BRANCH_LEQ",
            true_node=left,
            false_node=right,
        )
        pending += [(right, depth + 1), (left, depth + 1)]


def _float32_at_most(value: float) -> float:
    """Returns the largest float32 that does not exceed value, so that `x <= value` holds for the same float32 x."""
    nearest = np.float32(value)
    return float(nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-np.inf)))
