from dataclasses import replace

import pytest

from ml.training.evaluation import CardPrecision, Quality
from ops.proving.bench.quality.figures import FoldFigures, Row
from ops.proving.bench.quality.report.checks import agrees, is_suspicious, served_differences, targets

QUALITY = Quality(
    rows=100, frauds=10, auc=0.9, average_precision=0.76, card_precision=CardPrecision(0.312, 0.4), brier=0.01
)


def row(*average_precisions: float) -> Row:
    return Row(
        "hybrid",
        28,
        tuple(
            FoldFigures(str(number), replace(QUALITY, average_precision=value))
            for number, value in enumerate(average_precisions)
        ),
    )


def test_a_row_is_the_mean_and_deviation_over_its_folds() -> None:
    measured = row(0.7, 0.8)
    assert measured.mean("average_precision") == pytest.approx(0.75)
    assert measured.deviation("average_precision") == pytest.approx(0.05)
    assert row(0.7).deviation("average_precision") == 0.0


def test_targets_are_met_by_the_mean() -> None:
    assert [target.is_met for target in targets(row(0.74, 0.78))] == [True, True]
    assert [target.is_met for target in targets(row(0.74, 0.76))] == [False, True]


def test_a_figure_too_good_to_be_true_is_suspicious() -> None:
    assert is_suspicious(row(0.776))
    assert not is_suspicious(row(0.775))


def test_served_figures_agree_only_if_they_do_on_every_fold() -> None:
    same = served_differences(row(0.7005, 0.7995), row(0.7, 0.8))
    assert agrees(same)
    apart = served_differences(row(0.702, 0.798), row(0.7, 0.8))
    assert abs(apart["average_precision"]) == pytest.approx(0.002)
    assert not agrees(apart)
    assert not agrees({"auc": float("nan")})
