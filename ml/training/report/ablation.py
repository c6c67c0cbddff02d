"""Ablation: how well the fusion ranks without one of its components.

The components stay as they were trained; the fusion is fitted again, on the rows that it was fitted on, as if a
component found nothing in any payment. The quality of a model trained without it would need a training of its own.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.fusion import COMPONENTS, UNSUPERVISED, fit_fusion
from ml.training.evaluation import Quality, measure
from ml.training.trained_model import Evidence, ScoredRows

UNSUPERVISED_PAIR = tuple(COMPONENTS[column] for column in UNSUPERVISED)
REMOVALS: tuple[tuple[str, ...], ...] = (*((name,) for name in COMPONENTS), UNSUPERVISED_PAIR)
"""Components that are taken away together, each entry for itself."""

_FINDS_NOTHING = -60.0  # log-odds, constant for the stack and too low to add a novelty term
_LEAST_DISTANCE = 2.0**-24  # float32 holds no probability nearer to 1


def quality_without(evidence: Evidence, removed: Collection[str]) -> Quality:
    """Returns the quality on the measured slice of a fusion in which the removed components find nothing."""
    fusion = fit_fusion(_log_odds(evidence.calibration, removed), evidence.calibration.labels)
    return quality_of(evidence, fusion.scores(_log_odds(evidence.measured, removed)))


def quality_of(evidence: Evidence, scores: NDArray[np.floating[Any]]) -> Quality:
    """Returns the quality of scores [N] on the measured slice."""
    counted = evidence.is_ranked
    return measure(
        evidence.measured.labels[counted],
        scores[counted].astype(np.float64),
        customers=evidence.customers[counted],
        days=evidence.days[counted],
    )


def _log_odds(rows: ScoredRows, removed: Collection[str]) -> NDArray[np.float64]:
    """Returns the components' log-odds [N, 4]; a removed one finds nothing at all in any row."""
    columns = []
    for name in COMPONENTS:
        probability = rows.outputs[name].astype(np.float64)
        if name in removed:
            columns.append(np.full(len(probability), _FINDS_NOTHING))
        else:
            probability = np.clip(probability, np.finfo(np.float32).tiny, 1.0 - _LEAST_DISTANCE)
            columns.append(np.log(probability) - np.log1p(-probability))
    return np.column_stack(columns)
