"""The result of one run of the model on a batch: scores, and the parts that each score is the sum of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.model.rarity import Rarity


@dataclass(frozen=True, slots=True)
class ModelScores:
    """The model's outputs for B transactions.

    Attributes:
        score: calibrated fraud probability [B].
        tabular, anomaly, autoencoder, sequence: the components [B], all in [0, 1], higher is more suspicious.
        contributions: the features' parts of logit(score) [B, F].
        terms: the other components' parts of it [B, 4], in the order of `ml.model.terms.TERMS`.
        sequence_steps: the sequence component's log-odds after every step [B, S]; the last is logit(sequence).
        reconstruction: positions, expected values and shares of the error [B, 9] of the three features that
            the autoencoder rebuilt worst, the worst first.
        bias: logit(score) before any part; bias + contributions.sum(1) + terms.sum(1) = logit(score).
        rarity: how rare values of `anomaly` and `autoencoder` are among legitimate payments.
    """

    score: NDArray[np.float32]
    tabular: NDArray[np.float32]
    anomaly: NDArray[np.float32]
    autoencoder: NDArray[np.float32]
    sequence: NDArray[np.float32]
    contributions: NDArray[np.float32]
    terms: NDArray[np.float32]
    sequence_steps: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    bias: float
    rarity: Rarity

    def explained(self) -> NDArray[np.float64]:
        """Returns the probabilities [B] that the parts add up to: `score` within float32 rounding."""
        log_odds = (
            self.bias + self.contributions.sum(axis=1, dtype=np.float64) + self.terms.sum(axis=1, dtype=np.float64)
        )
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)))
