"""Which weeks may be measured, whether the model was selected on them, and whether published figures compare."""

from collections.abc import Collection, Sequence

from ops.errors import OpsError
from ops.proving.bench.quality.protocol.data import BenchmarkData
from ops.proving.bench.quality.protocol.fold import Fold
from ops.proving.bench.quality.protocol.folds import TEST_FOLDS, VALIDATION_FOLDS, last_folds


def candidate_folds(data: BenchmarkData, *, days: float, validation: bool) -> Sequence[Fold]:
    """Returns the folds from which the caller may choose, covered by the data or not.

    Raises:
        OpsError: weeks for validation are asked of data that have none.
    """
    if validation and not data.is_handbook:
        raise OpsError("--validation names weeks of the Handbook's data, and these are other data.")
    if not data.is_handbook:
        return last_folds(data.table, days=days)
    return VALIDATION_FOLDS if validation else TEST_FOLDS


def selection(folds: Collection[Fold], data: BenchmarkData) -> str:
    """Returns a sentence on which weeks the model was selected."""
    if not data.is_handbook:
        return "The model was selected on other data, not on these."
    if set(folds) & set(VALIDATION_FOLDS):
        return "These are the weeks on which the model may be selected; they all end before 2018-08-01."
    return "The model was selected on test weeks before 2018-08-01 alone, none of which is measured here."


def compares_with_published(folds: Collection[Fold], data: BenchmarkData) -> bool:
    """Whether every measured week is one that the published figures are about."""
    return data.is_handbook and set(folds) <= set(TEST_FOLDS)
