"""The findings of one run of the model on one transaction: all parts of its explanation, as arrays without names.

The scoring worker takes its reasons from it and sends it on; the drain gives it names
(`ml.explanation.full_explanation`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.explanation.scores import ModelScores
from ml.features.kernel import FeatureMatrix
from ml.features.schema import SEQUENCE_CHANNELS, SEQUENCE_LENGTH

VECTOR_DECIMALS = 6
"""Digits of a feature that an explanation keeps: amounts have four, and more make every record longer."""

_PRESENT, _LOG_AMOUNT, _LOG_GAP = (SEQUENCE_CHANNELS.index(name) for name in ("present", "log_amount", "log_gap_hours"))


@dataclass(frozen=True, slots=True)
class Findings:
    """One transaction's row of a `FeatureMatrix` and of `ModelScores`, without the scores.

    Attributes:
        vector: features [F], rounded to `VECTOR_DECIMALS`.
        contributions, terms, bias: the parts of logit(score): [F], [4] and one number.
        steps: log-odds of the sequence component at the known steps and, unless all are known, before the first.
        log_amounts, log_gap_hours: the sequence's channels of these names at the known steps.
        reconstruction: positions, expected values and shares of error of the worst-reconstructed features [9].
        rarity: shares of legitimate payments less unusual to `anomaly` and `autoencoder`.
    """

    vector: NDArray[np.float64]
    contributions: NDArray[np.float32]
    terms: NDArray[np.float32]
    bias: float
    steps: NDArray[np.float32]
    log_amounts: NDArray[np.float32]
    log_gap_hours: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    rarity: dict[str, float]

    def wire(self) -> dict[str, Any]:
        """Returns the form that an outbox event holds; arrays are left to the serializer, float32 in its shortest."""
        return {name: getattr(self, name) for name in self.__slots__}


def findings(matrix: FeatureMatrix, scores: ModelScores) -> Iterator[Findings]:
    """Yields the findings of every row of a batch."""
    vectors = matrix.vectors.round(VECTOR_DECIMALS)
    known = matrix.sequences[:, :, _PRESENT].sum(axis=1).astype(np.intp).tolist()
    # A serializer takes contiguous rows only.
    log_amounts, log_gaps = (np.ascontiguousarray(matrix.sequences[:, :, place]) for place in (_LOG_AMOUNT, _LOG_GAP))
    anomaly, autoencoder = scores.anomaly.tolist(), scores.autoencoder.tolist()
    for row, count in enumerate(known):
        first = SEQUENCE_LENGTH - count
        yield Findings(
            vector=vectors[row],
            contributions=scores.contributions[row],
            terms=scores.terms[row],
            bias=scores.bias,
            steps=scores.sequence_steps[row, max(first - 1, 0) :],
            log_amounts=log_amounts[row, first:],
            log_gap_hours=log_gaps[row, first:],
            reconstruction=scores.reconstruction[row],
            rarity={
                "anomaly": scores.rarity.of_anomaly(anomaly[row]),
                "autoencoder": scores.rarity.of_autoencoder(autoencoder[row]),
            },
        )
