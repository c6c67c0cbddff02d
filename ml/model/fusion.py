"""The fusion: the four components' log-odds, combined into one calibrated probability.

Two signals are joined by a noisy OR. The first is a logistic stack of all four components' log-odds. The second, the
novelty signal, is the higher of the two unsupervised components, discounted: for a kind of fraud without labels the
supervised components have learnt nothing, and the stack alone would stay low. Labels set only the novelty signal's
discount, not its shape: a weight learnt from the known kinds of fraud would be zero for a detector that does not help
with those. A sigmoid (Platt) map calibrates the result. All weights on components are ≥ 0, so that a component that
becomes more suspicious never lowers the score.

The result is additive in log-odds, so that an explanation can name the part of every input:

    logit(score) = bias + weight(tabular) · Σ contribution(feature) + Σ term

A component's weight is that of the stack times that of the calibration. The terms (`ml.model.terms.TERMS`) of the three
components without contributions are their log-odds times their weight; the term `novelty` is the
calibrated log-odds of both signals minus those of the stack alone. Every term counts from the median legitimate
payment, whose part is in the bias: 0 is usual, and the sum is exact by construction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder
from ml.model.terms import TERMS

COMPONENTS = ("tabular", "anomaly", "autoencoder", "sequence")
"""Order of the columns of every log-odds matrix here."""

UNSUPERVISED = (1, 2)
"""Columns of the components that saw no labels."""

NOVELTY_LIFT = 2.0
"""The score that the novelty signal can reach alone, before calibration, in multiples of the rate of frauds.

A trade between known and unknown kinds of fraud; docs/model.md has the figures.
"""

MAX_NOVELTY_SHARE = 0.5
"""The highest score that the novelty signal can reach alone, however common fraud is."""

_L2 = 1e-3
_CONSTANT = 1e-9  # spreads up to this are rounding
_TERM_COMPONENTS = [COMPONENTS.index(name) for name in TERMS if name in COMPONENTS]


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
    """The fitted fusion of log-odds [B, 4] in the order of `COMPONENTS`.

    Attributes:
        stack: of all components.
        novelty_share: discount of the novelty signal: the score that it can reach alone, before calibration.
        calibration: of the log-odds of both signals together.
        usual: the terms of the median legitimate payment, before their weights [4], in the order of `TERMS`.
    """

    stack: Logistic
    novelty_share: float
    calibration: Logistic
    usual: NDArray[np.float64]

    @property
    def tabular_weight(self) -> float:
        """How much the score's log-odds move with the tabular component's, ignoring the novelty term."""
        return float(self._weights[COMPONENTS.index("tabular")])

    @property
    def _weights(self) -> NDArray[np.float64]:
        return np.asarray(self.stack.weights * self.calibration.weights[0])

    @property
    def _term_weights(self) -> NDArray[np.float64]:
        return np.append(self._weights[_TERM_COMPONENTS], self.calibration.weights[0])

    def wire(self) -> dict[str, Any]:
        """Returns the fitted numbers, JSON-ready; weights are those of the components' log-odds in the score's."""
        return {
            "weights": dict(zip(COMPONENTS, self._weights.tolist(), strict=True)),
            "novelty_share": self.novelty_share,
        }

    def scores(self, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the calibrated probabilities [B]."""
        return sigmoid(self.calibration.log_odds(_joined(self.stack, self.novelty_share, log_odds)[:, None]))

    def terms(self, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the terms [B, 4] of the scores' log-odds, in the order of `TERMS`."""
        return (_unweighted_terms(self.stack, self.novelty_share, log_odds) - self.usual) * self._term_weights

    def bias(self, tabular_bias: float) -> float:
        """Returns the score's log-odds without contributions and terms, given the tabular component's own bias."""
        start = np.full(len(COMPONENTS), tabular_bias)
        start[_TERM_COMPONENTS] = self.usual[:-1]
        joined = self.stack.log_odds(start) + self.usual[-1]
        return float(self.calibration.log_odds(np.array([joined]))[()])

    def add_to(self, graph: GraphBuilder, log_odds: tuple[str, ...]) -> tuple[str, str]:
        """Appends the fusion over the components' [B, 1] tensors; returns the names of score and terms [B, 4]."""
        columns = graph.add("Concat", *log_odds, axis=1)
        novelty = graph.add("Max", *(log_odds[column] for column in UNSUPERVISED))
        stacked = _add_logistic(graph, columns, self.stack)
        surplus = _add_novelty_surplus(graph, stacked, novelty, share=self.novelty_share)
        score = graph.add("Sigmoid", _add_logistic(graph, graph.add("Add", stacked, surplus), self.calibration))
        terms = graph.add("Concat", *(log_odds[column] for column in _TERM_COMPONENTS), surplus, axis=1)
        return score, graph.affine(terms, scale=self._term_weights, shift=-self._term_weights * self.usual)


def novelty_surplus(
    stacked: NDArray[np.float64], novelty: NDArray[np.floating[Any]], *, share: float
) -> NDArray[np.float64]:
    """Returns the log-odds, ≥ 0, that the noisy OR with the novelty signal adds to the stack; both are log-odds [B].

    With k and n the probabilities of stack and novelty, n discounted by `share`, the odds of (k + n - kn) over those of
    k are (1 + n (1 - k) / k) / (1 - n), and (1 - k) / k is exp(-stacked). As a softplus it neither overflows nor rounds
    to nothing.

    >>> novelty_surplus(np.array([-9.0, -9.0]), np.array([-50.0, 50.0]), share=0.2).round(3).tolist()
    [0.0, 7.614]
    """
    novel = np.log(share) - np.logaddexp(0.0, -novelty)
    return np.asarray(np.logaddexp(0.0, novel - stacked) - np.log1p(-np.exp(novel)))


def fit_fusion(log_odds: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> Fusion:
    """Fits stack and calibration on a slice of both classes that no component was fitted on.

    Source of the targets of the calibration: Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    stack = _fit_logistic(log_odds, labels)
    share = min(NOVELTY_LIFT * float(labels.mean()), MAX_NOVELTY_SHARE)
    joined = _joined(stack, share, log_odds)
    frauds = int(labels.sum())
    smoothed = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (len(labels) - frauds + 2))
    calibration = _fit_logistic(joined[:, None], smoothed)
    usual = np.median(_unweighted_terms(stack, share, log_odds[labels == 0]), axis=0)
    return Fusion(stack, share, calibration, usual)


def _joined(stack: Logistic, share: float, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    stacked = stack.log_odds(log_odds)
    return stacked + novelty_surplus(stacked, _highest_unsupervised(log_odds), share=share)


def _unweighted_terms(stack: Logistic, share: float, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    surplus = novelty_surplus(stack.log_odds(log_odds), _highest_unsupervised(log_odds), share=share)
    return np.column_stack([log_odds[:, _TERM_COMPONENTS], surplus])


def _highest_unsupervised(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return np.asarray(log_odds[:, UNSUPERVISED].max(axis=1))


def _fit_logistic(columns: NDArray[np.floating[Any]], targets: NDArray[Any]) -> Logistic:
    """Fits a logistic regression with weights ≥ 0 by maximum likelihood, lightly regularised."""
    from scipy.optimize import minimize

    columns = np.asarray(columns, dtype=np.float64)
    spread = np.maximum(columns.std(axis=0), _CONSTANT)
    centre = columns.mean(axis=0)
    scaled = (columns - centre) / spread
    bounds = [(0.0, None)] * columns.shape[1] + [(None, None)]
    start = np.append(np.full(columns.shape[1], 0.1), -2.0)
    fitted = minimize(_loss(scaled, targets), start, jac=True, bounds=bounds, method="L-BFGS-B").x
    # A column without spread has no information; dividing by its rounding error would give it a weight.
    weights = np.where(spread > _CONSTANT, fitted[:-1] / spread, 0.0)
    return Logistic(weights, float(fitted[-1] - weights @ centre))


def _loss(
    columns: NDArray[np.float64], targets: NDArray[Any]
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    def mean_log_loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters[:-1]
        log_odds = columns @ weights + parameters[-1]
        residual = (sigmoid(log_odds) - targets) / len(targets)
        loss = float(np.mean(np.logaddexp(0.0, log_odds) - targets * log_odds)) + _L2 / len(targets) * float(
            weights @ weights
        )
        gradient = columns.T @ residual + 2 * _L2 / len(targets) * weights
        return loss, np.append(gradient, residual.sum())

    return mean_log_loss


def _add_logistic(graph: GraphBuilder, columns: str, logistic: Logistic) -> str:
    return graph.add("Gemm", columns, graph.constant(logistic.weights[:, None]), graph.constant([logistic.intercept]))


def _add_novelty_surplus(graph: GraphBuilder, stacked: str, novelty: str, *, share: float) -> str:
    """Appends `novelty_surplus`."""
    not_unusual = graph.add("Softplus", graph.add("Neg", novelty))
    novel = graph.add("Sub", graph.constant([np.log(share)]), not_unusual)
    raised = graph.add("Softplus", graph.add("Sub", novel, stacked))
    not_novel = graph.add("Log", graph.add("Sub", graph.constant([1.0]), graph.add("Exp", novel)))
    return graph.add("Sub", raised, not_novel)


def sigmoid(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Returns the probabilities of log-odds, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds.astype(np.float64))))
