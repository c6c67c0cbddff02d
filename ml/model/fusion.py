"""The fusion: what the components say together, as one calibrated probability.

Two voices are joined by a noisy OR. The first is a logistic stack of all four components' log-odds. The second is a
logistic over the two unsupervised components alone, discounted by `NOVELTY_SHARE`: where the supervised components
have learnt nothing, because this kind of fraud has no labels yet, the stack alone would stay silent. A
sigmoid (Platt) map calibrates the result. All weights on components are ≥ 0, so that a component that becomes
more suspicious never lowers the score.

The result is additive in log-odds, so that an explanation can name the part of everything that went into it:

    logit(score) = bias + weight(tabular) · Σ contribution(feature) + Σ term

A component's weight is that of the stack times that of the calibration. The terms (`ml.terms.TERMS`) of the three
components without contributions are their log-odds times their weight; the term `novelty` is what the second voice
adds, the calibrated log-odds of both voices minus those of the stack alone. Every term counts from the median
legitimate payment, whose part is in the bias: 0 is usual, and the sum is exact by construction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder
from ml.terms import TERMS

COMPONENTS = ("tabular", "anomaly", "autoencoder", "sequence")
"""Order of the columns of every log-odds matrix here."""

UNSUPERVISED = (1, 2)
"""Columns of the components that saw no labels."""

NOVELTY_SHARE = 0.2
"""Discount of the unsupervised voice, and so the score it can reach alone, before calibration.

A trade, measured by `python -m ops bench quality` on the Handbook's data with one pattern's labels hidden:
against 0, of stolen cards 0.70 instead of 0.57 are among the day's hundred highest scores, of plain high amounts 0.35
instead of 0.59, of compromised terminals, where nothing looks unusual, none either way. Known patterns lose about
0.001 of average precision.
"""

_L2 = 1e-3
_LEAST_SHARE = 1e-30  # keeps the logarithm of a share of 0 finite in float32
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
        novelty: of the unsupervised components.
        calibration: of the log-odds of both voices together.
        usual: what the terms hold before their weights for the median legitimate payment [4], in the order of `TERMS`.
    """

    stack: Logistic
    novelty: Logistic
    calibration: Logistic
    usual: NDArray[np.float64]

    @property
    def tabular_weight(self) -> float:
        """How much the score's log-odds move with the tabular component's, but for the voice of novelty."""
        return float(self._weights[COMPONENTS.index("tabular")])

    @property
    def _weights(self) -> NDArray[np.float64]:
        return np.asarray(self.stack.weights * self.calibration.weights[0])

    @property
    def _term_weights(self) -> NDArray[np.float64]:
        return np.append(self._weights[_TERM_COMPONENTS], self.calibration.weights[0])

    def scores(self, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the calibrated probabilities [B]."""
        return _sigmoid(self.calibration.log_odds(_joined(self.stack, self.novelty, log_odds)[:, None]))

    def terms(self, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Returns the terms [B, 4] of the scores' log-odds, in the order of `TERMS`."""
        return (_unweighted_terms(self.stack, self.novelty, log_odds) - self.usual) * self._term_weights

    def bias(self, tabular_bias: float) -> float:
        """Returns the score's log-odds without contributions and terms, given the tabular component's own bias."""
        start = np.full(len(COMPONENTS), tabular_bias)
        start[_TERM_COMPONENTS] = self.usual[:-1]
        joined = self.stack.log_odds(start) + self.usual[-1]
        return float(self.calibration.log_odds(np.array([joined]))[()])

    def add_to(self, graph: GraphBuilder, log_odds: tuple[str, ...]) -> tuple[str, str]:
        """Appends the fusion over the components' [B, 1] tensors; returns the names of score and terms [B, 4]."""
        columns = graph.add("Concat", *log_odds, axis=1)
        unsupervised = graph.add("Concat", *(log_odds[column] for column in UNSUPERVISED), axis=1)
        stacked = _add_logistic(graph, columns, self.stack)
        surplus = _add_novelty_surplus(graph, stacked, _add_logistic(graph, unsupervised, self.novelty))
        score = graph.add("Sigmoid", _add_logistic(graph, graph.add("Add", stacked, surplus), self.calibration))
        terms = graph.add("Concat", *(log_odds[column] for column in _TERM_COMPONENTS), surplus, axis=1)
        return score, graph.affine(terms, scale=self._term_weights, shift=-self._term_weights * self.usual)


def novelty_surplus(stacked: NDArray[np.float64], novelty: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what the noisy OR with the voice of novelty adds to the stack's log-odds, ≥ 0; both voices in log-odds.

    With k and n the voices' probabilities, the odds of (k + n - kn) over those of k are (1 + n (1 - k) / k) / (1 - n),
    and (1 - k) / k is exp(-stacked). As a softplus it neither overflows nor rounds to nothing.

    >>> novelty_surplus(np.array([-9.0, -9.0]), np.array([-50.0, 50.0])).round(3).tolist()
    [0.0, 7.614]
    """
    novel = np.log(max(NOVELTY_SHARE, _LEAST_SHARE)) - np.logaddexp(0.0, -novelty)
    return np.asarray(np.logaddexp(0.0, novel - stacked) - np.log1p(-np.exp(novel)))


def fit_fusion(log_odds: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> Fusion:
    """Fits stack, novelty voice and calibration on a slice that no component was fitted on.

    Source of the targets of the calibration: Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    stack = _fit_logistic(log_odds, labels)
    novelty = _fit_logistic(log_odds[:, UNSUPERVISED], labels)
    joined = _joined(stack, novelty, log_odds)
    frauds = int(labels.sum())
    smoothed = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (len(labels) - frauds + 2))
    calibration = _fit_logistic(joined[:, None], smoothed)
    usual = np.median(_unweighted_terms(stack, novelty, log_odds[labels == 0]), axis=0)
    return Fusion(stack, novelty, calibration, usual)


def _joined(stack: Logistic, novelty: Logistic, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    stacked = stack.log_odds(log_odds)
    return stacked + novelty_surplus(stacked, novelty.log_odds(log_odds[:, UNSUPERVISED]))


def _unweighted_terms(stack: Logistic, novelty: Logistic, log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    stacked = stack.log_odds(log_odds)
    surplus = novelty_surplus(stacked, novelty.log_odds(log_odds[:, UNSUPERVISED]))
    return np.column_stack([log_odds[:, _TERM_COMPONENTS], surplus])


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


def _add_novelty_surplus(graph: GraphBuilder, stacked: str, novelty: str) -> str:
    """Appends `novelty_surplus`."""
    share = graph.constant([np.log(max(NOVELTY_SHARE, _LEAST_SHARE))])
    novel = graph.add("Sub", share, graph.add("Softplus", graph.add("Neg", novelty)))
    raised = graph.add("Softplus", graph.add("Sub", novel, stacked))
    not_novel = graph.add("Log", graph.add("Sub", graph.constant([1.0]), graph.add("Exp", novel)))
    return graph.add("Sub", raised, not_novel)


def _sigmoid(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds.astype(np.float64))))
