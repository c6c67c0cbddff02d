"""Fraud of a kind that no label has shown: the hybrid beside its supervised part alone.

All labels of one simulated fraud pattern are hidden, from training and from the features of every later payment, and
a hybrid is trained. Then the pattern is searched among the test payments that count, less the frauds of other kinds,
which would compete for the same alerts.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, NEVER, UNKNOWN, TransactionTable
from ml.model.fusion import COMPONENTS, UNSUPERVISED
from ml.training.train import TrainingSettings
from ops.proving.bench.quality.detectors.hybrid import Progress, fit_hybrid
from ops.proving.bench.quality.protocol.counted_week import TestWeek
from ops.proving.bench.quality.protocol.fold import Fold, test_rows

ALERTS_PER_DAY = 100


@dataclass(frozen=True, slots=True)
class Search:
    """How well a score finds one pattern.

    Attributes:
        recall: share of the pattern's payments among each day's `ALERTS_PER_DAY` highest scores.
        card_precision_at_100: of cards with the pattern.
        average_precision: of the pattern against legitimate payments.
    """

    recall: float
    card_precision_at_100: float
    average_precision: float


@dataclass(frozen=True, slots=True)
class Novelty:
    """One pattern on one fold.

    Attributes:
        pattern: number of the simulated pattern.
        fold: name of the fold.
        frauds: the pattern's payments among those that count.
        ceiling: highest possible card precision.
        hybrid: trained without the pattern.
        supervised: the same model's tabular and sequence component, fused without the unsupervised ones.
        known: the hybrid that was trained with the pattern's labels.
    """

    pattern: int
    fold: str
    frauds: int
    ceiling: float
    hybrid: Search
    supervised: Search
    known: Search


def patterns(table: TransactionTable, fold: Fold) -> list[int]:
    """Returns the fraud patterns that occur in the fold's test week; none if the data do not name patterns."""
    rows = test_rows(table, fold)
    return sorted({int(pattern) for pattern in table.scenario[rows] if pattern > 0})


def search_hidden(
    pattern: int,
    table: TransactionTable,
    week: TestWeek,
    *,
    known_scores: NDArray[np.float64],
    days: float,
    settings: TrainingSettings,
    progress: Progress,
) -> Novelty:
    """Trains without the pattern and searches it.

    Args:
        pattern: number of the pattern.
        table: all transactions.
        week: the test week.
        known_scores: of the hybrid that knows the pattern, for the rows of `week`.
        days: length of the training window.
        settings: how to train.
        progress: called with the training's stages.
    """
    is_hidden = (table.scenario == pattern) & (table.is_fraud == FRAUD)
    without_labels = replace(
        table,
        is_fraud=np.where(is_hidden, UNKNOWN, table.is_fraud).astype(np.int8),
        label_known_at=np.where(is_hidden, NEVER, table.label_known_at),
    )
    kept = is_hidden[week.rows] | (week.labels == 0)
    hybrid = fit_hybrid(without_labels, week.fold, days=days, settings=settings, progress=progress)
    searched = TestWeek.load(without_labels, week.fold, rows=week.rows[kept])
    searched = replace(searched, labels=is_hidden[searched.rows].astype(np.int64))
    outputs = hybrid.outputs(searched.vectors, searched.sequences)
    supervised = hybrid.without_components([COMPONENTS[column] for column in UNSUPERVISED], outputs)
    return Novelty(
        pattern=pattern,
        fold=week.fold.name,
        frauds=int(searched.labels.sum()),
        ceiling=searched.measure(outputs["score"]).card_precision.ceiling,
        hybrid=_search(searched, outputs["score"]),
        supervised=_search(searched, supervised),
        known=_search(searched, known_scores[kept]),
    )


def _search(week: TestWeek, scores: NDArray[np.float64]) -> Search:
    quality = week.measure(scores)
    return Search(
        recall=recall_in_alerts(week.labels, scores, days=week.days),
        card_precision_at_100=quality.card_precision.value,
        average_precision=quality.average_precision,
    )


def recall_in_alerts(
    labels: NDArray[np.integer[Any]],
    scores: NDArray[np.floating[Any]],
    *,
    days: NDArray[np.integer[Any]],
    alerts_per_day: int = ALERTS_PER_DAY,
) -> float:
    """Returns the share of frauds among each day's highest scores; NaN without frauds.

    >>> recall_in_alerts(np.array([1, 0, 1]), np.array([.2, .9, .1]), days=np.array([0, 0, 1]), alerts_per_day=1)
    0.5
    """
    frauds, caught = int(labels.sum()), 0
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        caught += int(labels[rows[np.argsort(-scores[rows], kind="stable")[:alerts_per_day]]].sum())
    return caught / frauds if frauds else float("nan")
