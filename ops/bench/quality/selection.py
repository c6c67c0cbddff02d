"""What the measured weeks were to whoever chose the model's settings, and what their figures may stand beside."""

from ops.bench.quality.data import BenchmarkData
from ops.bench.quality.folds import TEST_FOLDS, VALIDATION_FOLDS
from ops.bench.quality.run import Results


def selection(results: Results, data: BenchmarkData) -> str:
    """Returns a sentence on which weeks the model was selected."""
    if not data.is_handbook:
        return "The model was selected on other data, not on these."
    if any(week.fold in VALIDATION_FOLDS for week in results.weeks):
        return "These are the weeks on which the model may be selected; they all end before 2018-08-01."
    return "The model was selected on test weeks before 2018-08-01 alone, none of which is measured here."


def compares_with_published(results: Results, data: BenchmarkData) -> bool:
    """Tells whether every measured week is one that the published figures are about."""
    return data.is_handbook and all(week.fold in TEST_FOLDS for week in results.weeks)
