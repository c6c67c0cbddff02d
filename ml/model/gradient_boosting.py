"""The tabular component: gradient boosted trees whose leaves carry their own explanation.

A leaf of an ordinary ensemble holds one number. Here it holds one number per feature on its path: how much the
node's expected value changed at the splits on that feature (Saabas, "Interpreting random forests", 2014). Summed
over the trees these are additive contributions in log-odds, and their sum plus the bias is the margin exactly, so
one evaluation yields the score and its explanation.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder, TreeTable

MAX_BINS = 512
"""Histogram bins per feature; XGBoost's default of 256 loses precision on ratio features."""


@dataclass(frozen=True, slots=True)
class BoostingSettings:
    """Hyper-parameters; the defaults were selected on weeks before any evaluation week."""

    trees: int = 150
    learning_rate: float = 0.05
    depth: int = 5
    min_child_weight: float = 5.0
    row_sample: float = 0.8
    column_sample: float = 0.5
    l2: float = 2.0
    patience: int = 30


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a boosted tree; `left` is taken when value < threshold. A leaf has feature -1."""

    feature: int
    threshold: float
    left: int
    right: int
    expected: float


class GradientBoosting:
    """A fitted booster over vectors [B, F]."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster
        self.feature_count = int(booster.num_features())
        self.tree_count = int(booster.num_boosted_rounds())

    def margins(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns the log-odds [B]."""
        import xgboost

        matrix = xgboost.DMatrix(np.asarray(vectors, dtype=np.float32))
        return np.asarray(self._booster.predict(matrix, output_margin=True), dtype=np.float32)

    def trees(self) -> Iterator[list[Node]]:
        """Yields each tree's nodes, the root first."""
        model = json.loads(bytes(self._booster.save_raw("json")))
        for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
            yield _nodes(tree)

    def bias(self) -> float:
        """Returns the margin before any feature is known: the sum of the roots' expected values."""
        return float(sum(nodes[0].expected for nodes in self.trees()))

    def add_to(self, graph: GraphBuilder, vectors: str) -> tuple[str, str]:
        """Appends the trees; returns the names of the margin [B, 1] and the contributions [B, F]."""
        table = TreeTable()
        for index, nodes in enumerate(self.trees()):
            _write_tree(table, index, nodes)
        contributions = table.add_to(graph, vectors, targets=self.feature_count, aggregate="SUM")
        total = graph.add("ReduceSum", contributions, graph.integers([1]), keepdims=1)
        return graph.add("Add", total, graph.constant([self.bias()])), contributions


def fit_gradient_boosting(
    vectors: NDArray[np.float32],
    labels: NDArray[np.integer[Any]],
    *,
    validation: tuple[NDArray[np.float32], NDArray[np.integer[Any]]] | None = None,
    settings: BoostingSettings | None = None,
    seed: int = 0,
    threads: int = 1,
    after_tree: Callable[[int], None] = lambda _tree: None,
) -> GradientBoosting:
    """Fits the trees; with a validation slice, keeps the number of trees with the lowest log loss on it.

    `after_tree` is called with the number of trees grown so far.
    """
    import xgboost

    settings = settings or BoostingSettings()

    class Progress(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - fixed by xgboost
            after_tree(epoch + 1)
            return False

    parameters = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_bin": MAX_BINS,
        # An estimated base score costs average precision on rare classes.
        "base_score": 0.5,
        "eta": settings.learning_rate,
        "max_depth": settings.depth,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.row_sample,
        "colsample_bytree": settings.column_sample,
        "lambda": settings.l2,
        "nthread": threads,
        "seed": seed,
    }
    evaluations = [] if validation is None else [(xgboost.DMatrix(*validation), "validation")]
    booster = xgboost.train(
        parameters,
        xgboost.DMatrix(vectors, labels),
        num_boost_round=settings.trees,
        evals=evaluations,
        early_stopping_rounds=settings.patience if evaluations else None,
        callbacks=[Progress()],
        verbose_eval=False,
    )
    return GradientBoosting(booster[: booster.best_iteration + 1] if evaluations else booster)


def _nodes(tree: dict[str, Any]) -> list[Node]:
    left, right, cover = tree["left_children"], tree["right_children"], tree["sum_hessian"]
    thresholds, features = tree["split_conditions"], tree["split_indices"]
    # A leaf's value stands in the place of its threshold; children always follow their parent.
    expected = list(thresholds)
    for index in reversed(range(len(left))):
        if left[index] >= 0:
            low, high = left[index], right[index]
            weight = cover[low] + cover[high]
            expected[index] = (cover[low] * expected[low] + cover[high] * expected[high]) / weight
    return [
        Node(features[i] if left[i] >= 0 else -1, thresholds[i], left[i], right[i], expected[i])
        for i in range(len(left))
    ]


def _write_tree(table: TreeTable, tree: int, nodes: list[Node]) -> None:
    pending: list[tuple[int, dict[int, float]]] = [(0, {})]
    while pending:
        index, path = pending.pop()
        node = nodes[index]
        if node.feature < 0:
            # A tree without splits still needs a target.
            table.leaf(tree, index, path or {0: 0.0})
            continue
        table.branch(
            tree,
            index,
            feature=node.feature,
            threshold=node.threshold,
            mode="BRANCH_LT",
            true_node=node.left,
            false_node=node.right,
        )
        for child in (node.right, node.left):
            change = nodes[child].expected - node.expected
            pending.append((child, path | {node.feature: path.get(node.feature, 0.0) + change}))
