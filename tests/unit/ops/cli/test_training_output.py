from dataclasses import replace

import pytest

from ml.domain.decision import Thresholds
from ml.policy.thresholds import ThresholdPolicy
from ml.training.trained_model import TrainedModel
from ops.cli.training_output import print_results


def test_every_component_and_both_thresholds_are_printed(
    trained: TrainedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    print_results(trained)
    said = capsys.readouterr().out
    for line in ("fused", "tabular", "anomaly", "autoencoder", "sequence"):
        assert f"\n  {line} " in said
    review = trained.measurement.review
    assert (
        f"review or decline from {review.threshold:.4f}: {review.alerts_per_day:.1f} payments a day expected, "
        f"precision {review.precision:.2f}, recall {review.recall:.2f}"
    ) in said
    assert f"{trained.measurement.quality['score'].brier:.5f}" in said
    assert "of least expected cost (false positive 20, review 4, lost share of a missed fraud 1)" in said


def test_warnings_go_to_standard_error(trained: TrainedModel, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(replace(trained, record={**trained.record, "warnings": ["one", "two"]}))
    assert capsys.readouterr().err == "Warning: one\nWarning: two\n"


def test_a_measurement_that_flatters_and_a_review_that_never_pays_are_reported(
    trained: TrainedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    flattering = replace(
        trained,
        measurement=replace(trained.measurement, slice="calibration"),
        thresholds=Thresholds(review=0.4, decline=0.4),
        policy=ThresholdPolicy(reviews_per_day=100),
    )
    print_results(flattering)
    said = capsys.readouterr().out
    assert "which flatters" in said
    assert "Thresholds for 100 payments a day to review" in said
    assert "Nothing is sent to review" in said
