"""One small benchmark on simulated payments, run once for all tests of its parts."""

import pytest

from ml.data.table import TransactionTable
from ml.training.train import TrainingSettings
from ops.proving.bench.quality.detectors.hybrid import Hybrid, Outputs, fit_hybrid
from ops.proving.bench.quality.protocol.counted_week import TestWeek
from ops.proving.bench.quality.protocol.fold import Fold
from ops.proving.bench.quality.protocol.folds import last_folds

DAYS = 14.0
"""Of our training window; the simulated history is too short for 28."""


@pytest.fixture(scope="session")
def fold(history: TransactionTable) -> Fold:
    """The fold whose test week ends with the simulated history."""
    return last_folds(history, days=DAYS)[-1]


@pytest.fixture(scope="session")
def week(history: TransactionTable, fold: Fold) -> TestWeek:
    """Its test week."""
    return TestWeek.load(history, fold)


@pytest.fixture(scope="session")
def hybrid(history: TransactionTable, fold: Fold, quick_settings: TrainingSettings) -> Hybrid:
    """A hybrid of that fold."""
    return fit_hybrid(history, fold, days=DAYS, settings=quick_settings, progress=lambda _stage, _share: None)


@pytest.fixture(scope="session")
def outputs(hybrid: Hybrid, week: TestWeek) -> Outputs:
    """What the hybrid says of the test week."""
    return hybrid.outputs(week.vectors, week.sequences)
