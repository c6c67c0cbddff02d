"""The Handbook's logistic regression and random forest, on its features: do they reach its published figures here?"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, LEGITIMATE, TransactionTable
from ml.domain.errors import DataError
from ops.proving.bench.quality.figures import FIGURES, FoldFigures, Row
from ops.proving.bench.quality.protocol.counted_week import TestWeek
from ops.proving.bench.quality.protocol.fold import TRAIN_DAYS, Fold
from ops.proving.bench.quality.protocol.folds import TEST_FOLDS
from ops.proving.bench.quality.protocol.published import LOGISTIC_REGRESSION, RANDOM_FOREST, Published, first_week

BASELINES = (LOGISTIC_REGRESSION, RANDOM_FOREST)
TOLERANCE = 0.002
"""How far a reproduced figure may lie from the published one: a card more or less is 0.0014 of card precision."""

_SEED = 0


def fit_baselines(
    features: NDArray[np.float64], table: TransactionTable, week: TestWeek, *, threads: int
) -> Iterator[tuple[str, FoldFigures]]:
    """Yields each baseline's figures: scikit-learn's defaults on standardised features of the training week.

    Args:
        features: `handbook_features` of the table.
        table: all transactions.
        week: the test week.
        threads: of the random forest.

    Raises:
        DataError: the training week holds one class only.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = _training_rows(table, week.fold)
    labels = table.is_fraud[rows] == FRAUD
    if labels.all() or not labels.any():
        raise DataError(f"The training week from {week.fold.name} holds one class only.")
    for name, classifier in (
        (LOGISTIC_REGRESSION, LogisticRegression(random_state=_SEED)),
        (RANDOM_FOREST, RandomForestClassifier(random_state=_SEED, n_jobs=threads)),
    ):
        started = time.perf_counter()
        pipeline = make_pipeline(StandardScaler(), classifier).fit(features[rows], labels)
        seconds = time.perf_counter() - started
        quality = week.measure(pipeline.predict_proba(features[week.rows])[:, 1])
        yield name, FoldFigures(week.fold.name, quality, len(rows), seconds)


def _training_rows(table: TransactionTable, fold: Fold) -> NDArray[np.intp]:
    times, labels = table.epoch_seconds, table.fraud_known_at(fold.test_start)
    return np.flatnonzero((times >= fold.train_start) & (times < fold.train_end) & (labels >= LEGITIMATE))


@dataclass(frozen=True)
class Reproduction:
    """A baseline on the first test week beside what is published of it."""

    measured: FoldFigures
    published: Published

    def difference(self, figure: str) -> float:
        """Returns measured - published."""
        return FIGURES[figure](self.measured.quality) - float(getattr(self.published, figure))

    @property
    def is_close(self) -> bool:
        """Whether every figure lies within `TOLERANCE`, the published ones being rounded to three decimals."""
        return all(abs(self.difference(figure)) <= TOLERANCE for figure in FIGURES)


def reproductions(baselines: list[Row]) -> list[Reproduction]:
    """Returns the baselines that were measured on the first test week; published figures on defaults know no other."""
    return [
        Reproduction(item, first_week(row.name))
        for row in baselines
        for item in row.folds
        if item.fold == TEST_FOLDS[0].name
    ]


def baseline_rows(measured: dict[str, list[FoldFigures]]) -> list[Row]:
    """Returns a row per baseline."""
    return [Row(name, TRAIN_DAYS, tuple(measured[name])) for name in BASELINES if measured.get(name)]
