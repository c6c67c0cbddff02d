"""The fusion: what the components say together, as one calibrated probability.

Two voices are joined by a noisy OR. The first is a logistic stack of all four components' log-odds. The second is a
logistic over the two unsupervised components alone, discounted by `NOVELTY_SHARE`: where the supervised components
have learnt nothing, because this kind of fraud has no labels yet, the stack alone would stay silent. A
sigmoid (Platt) map calibrates the result. All weights on components are ≥ 0, so that a component that becomes
more suspicious never lowers the score.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder

COMPONENTS = ("tabular", "anomaly", "autoencoder", "sequence")
"""Order of the columns of every log-odds matrix here."""

UNSUPERVISED = (1, 2)
"""Columns of the components that saw no labels."""

NOVELTY_SHARE = 0.2
"""Discount of the unsupervised voice, and so the score it can reach alone, before calibration.

A trade, measured by `tests/benchmarks/bench_novelty.py` on the Handbook's data with one pattern's labels hidden:
against 0, of stolen cards 0.70 instead of 0.57 are among the day's hundred highest scores, of plain high amounts 0.35
instead of 0.59, of compromised terminals, where nothing looks unusual, none either way. Known patterns lose about
0.001 of average precision.
"""

_L2 = 1e-3
_LEAST_PROBABILITY = 1e-30  # keeps the logarithm finite in float32


@dataclass(frozen=True)
class Logistic:
    """log-odds = x · weights + intercept."""

    weights: NDArray[np.float64]
    intercept: float

    def log_odds(self, columns: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the log-odds [B] of [B, len(weights)]."""
        return np.asarray(columns @ self.weights + self.intercept, dtype=np.float64)


@dataclass(frozen=True)
class Fusion:
    """The fitted fusion of log-odds [B, 4] in the order of `COMPONENTS`."""

    stack: Logistic
    novelty: Logistic
    calibration: Logistic

    def scores(self, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the calibrated probabilities [B]."""
        return _sigmoid(self.calibration.log_odds(_joined(self.stack, self.novelty, log_odds)[:, None]))

    def add_to(self, graph: GraphBuilder, log_odds: tuple[str, ...]) -> str:
        """Appends the fusion over the components' [B, 1] tensors; returns the score's name."""
        columns = graph.add("Concat", *log_odds, axis=1)
        unsupervised = graph.add("Concat", *(log_odds[column] for column in UNSUPERVISED), axis=1)
        stacked = _add_logistic(graph, columns, self.stack)
        known = graph.add("Sigmoid", stacked)
        novel = graph.add(
            "Mul",
            graph.add("Sigmoid", _add_logistic(graph, unsupervised, self.novelty)),
            graph.constant([NOVELTY_SHARE]),
        )
        either = graph.add("Sub", graph.add("Add", known, novel), graph.add("Mul", known, novel))
        fraud = graph.add("Log", graph.add("Max", either, graph.constant([_LEAST_PROBABILITY])))
        # log(1 - p) as a sum, because 1 - p itself would round to 0.
        not_known = graph.add("Softplus", stacked)
        not_novel = graph.add("Log", graph.add("Sub", graph.constant([1.0]), novel))
        joined = graph.add("Sub", graph.add("Add", fraud, not_known), not_novel)
        return graph.add("Sigmoid", _add_logistic(graph, joined, self.calibration))


def join_voices(stacked: NDArray[np.float64], novelty: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-odds of the noisy OR of both voices' log-odds.

    >>> join_voices(np.array([-9.0]), np.array([-50.0])).round(6).item()
    -9.0
    """
    known, novel = _sigmoid(stacked), NOVELTY_SHARE * _sigmoid(novelty)
    either = np.maximum(known + novel - known * novel, _LEAST_PROBABILITY)
    return np.asarray(np.log(either) + np.logaddexp(0.0, stacked) - np.log1p(-novel))


def fit_fusion(log_odds: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> Fusion:
    """Fits stack, novelty voice and calibration on a slice that no component was fitted on.

    Source of the targets of the calibration: Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    stack = _fit_logistic(log_odds, labels)
    novelty = _fit_logistic(log_odds[:, UNSUPERVISED], labels)
    joined = _joined(stack, novelty, log_odds)
    frauds = int(labels.sum())
    smoothed = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (len(labels) - frauds + 2))
    return Fusion(stack, novelty, _fit_logistic(joined[:, None], smoothed))


def _joined(stack: Logistic, novelty: Logistic, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return join_voices(stack.log_odds(log_odds), novelty.log_odds(log_odds[:, UNSUPERVISED]))


def _fit_logistic(columns: NDArray[np.floating[Any]], targets: NDArray[Any]) -> Logistic:
    """Fits a logistic regression with weights ≥ 0 by maximum likelihood, lightly regularised."""
    from scipy.optimize import minimize

    columns = np.asarray(columns, dtype=np.float64)
    spread = np.maximum(columns.std(axis=0), 1e-9)
    centre = columns.mean(axis=0)
    scaled = (columns - centre) / spread
    bounds = [(0.0, None)] * columns.shape[1] + [(None, None)]
    start = np.append(np.full(columns.shape[1], 0.1), -2.0)
    fitted = minimize(_loss(scaled, targets), start, jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = fitted[:-1] / spread
    return Logistic(weights, float(fitted[-1] - weights @ centre))


def _loss(
    columns: NDArray[np.float64], targets: NDArray[Any]
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    def mean_log_loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters[:-1]
        log_odds = columns @ weights + parameters[-1]
        residual = (_sigmoid(log_odds) - targets) / len(targets)
        loss = float(np.mean(np.logaddexp(0.0, log_odds) - targets * log_odds)) + _L2 / len(targets) * float(
            weights @ weights
        )
        gradient = columns.T @ residual + 2 * _L2 / len(targets) * weights
        return loss, np.append(gradient, residual.sum())

    return mean_log_loss


def _add_logistic(graph: GraphBuilder, columns: str, logistic: Logistic) -> str:
    return graph.add("Gemm", columns, graph.constant(logistic.weights[:, None]), graph.constant([logistic.intercept]))


def _sigmoid(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds.astype(np.float64))))
