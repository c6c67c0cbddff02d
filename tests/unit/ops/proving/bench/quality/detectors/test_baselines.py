"""The proof that the protocol is the Handbook's; it needs the Handbook's data, which are not part of the project."""

from pathlib import Path

import numpy as np
import pytest

from ml.training.evaluation import card_precision
from ops.proving.bench.quality.detectors.baselines import TOLERANCE, baseline_rows, fit_baselines, reproductions
from ops.proving.bench.quality.detectors.handbook_features import handbook_features
from ops.proving.bench.quality.protocol.counted_week import TestWeek
from ops.proving.bench.quality.protocol.data import BenchmarkData
from ops.proving.bench.quality.protocol.fold import counted_rows, days_of_week
from ops.proving.bench.quality.protocol.folds import TEST_FOLDS

DATA = Path(__file__).parents[8] / "shared" / "data" / "handbook" / "transactions.parquet"
FOLD = TEST_FOLDS[0]

pytestmark = pytest.mark.skipif(not DATA.is_file(), reason="needs the Handbook's data beside the project")


@pytest.fixture(scope="module")
def data() -> BenchmarkData:
    return BenchmarkData.load(DATA)


@pytest.fixture(scope="module")
def week(data: BenchmarkData) -> TestWeek:
    """The first test week, without our features: the baselines never see them."""
    table, rows = data.table, counted_rows(data.table, FOLD)
    return TestWeek(
        fold=FOLD,
        rows=rows,
        labels=table.is_fraud[rows].astype(np.int64),
        customers=table.customer_id.codes[rows],
        days=days_of_week(table, FOLD, rows),
        vectors=np.empty((len(rows), 0), np.float32),
        sequences=np.empty((len(rows), 0, 0), np.float32),
    )


def test_the_data_are_recognised(data: BenchmarkData) -> None:
    assert data.is_handbook


def test_the_first_test_week_holds_the_rows_and_the_ceiling_of_the_handbook(week: TestWeek) -> None:
    ceiling = card_precision(week.labels, week.labels.astype(float), customers=week.customers, days=week.days).ceiling
    assert (len(week), int(week.labels.sum())) == (58_264, 385)
    assert round(ceiling, 3) == 0.397


@pytest.mark.slow
def test_both_baselines_reach_the_published_figures(data: BenchmarkData, week: TestWeek) -> None:
    measured = {
        name: [figures] for name, figures in fit_baselines(handbook_features(data.table), data.table, week, threads=2)
    }
    reproduced = reproductions(baseline_rows(measured))
    assert len(reproduced) == 2
    for item in reproduced:
        differences = {figure: item.difference(figure) for figure in ("auc", "average_precision")}
        differences["card_precision_at_100"] = item.difference("card_precision_at_100")
        assert max(map(abs, differences.values())) <= TOLERANCE, differences
        assert item.is_close
