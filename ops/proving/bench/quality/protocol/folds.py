"""Which folds a data file covers, and which of them the caller asked for."""

from collections.abc import Sequence
from datetime import date, timedelta

from ml.data.table import TransactionTable
from ml.domain.durations import DAY_SECONDS
from ops.errors import OpsError
from ops.proving.bench.quality.protocol.fold import DELAY_DAYS, TEST_DAYS, TRAIN_DAYS, Fold, day_of

TEST_FOLDS = tuple(Fold.from_training_day(date(2018, 7, 25) + timedelta(weeks=week)) for week in range(4))
"""The four folds of the Handbook's published figures."""

VALIDATION_FOLDS = tuple(Fold.from_training_day(date(2018, 6, 27) + timedelta(weeks=week)) for week in range(3))
"""Folds whose test weeks end before the first payment that any published figure is measured on: for choosing."""

_MOST_FOLDS = 4


def last_folds(table: TransactionTable, *, days: float) -> tuple[Fold, ...]:
    """Returns up to four folds whose test weeks end with the data, for data that are not the Handbook's."""
    end = int(table.epoch_seconds[-1]) // DAY_SECONDS + 1
    first_day = end - TRAIN_DAYS - DELAY_DAYS - TEST_DAYS
    starts = (date(1970, 1, 1) + timedelta(days=first_day - 7 * week) for week in reversed(range(_MOST_FOLDS)))
    return tuple(fold for fold in map(Fold.from_training_day, starts) if is_covered(table, fold, days=days))


def is_covered(table: TransactionTable, fold: Fold, *, days: float) -> bool:
    """Whether the data reach from `days` of training to the last day of the fold's test week."""
    starts_early = int(table.epoch_seconds[0]) < fold.window(days).start + DAY_SECONDS
    return starts_early and int(table.epoch_seconds[-1]) >= fold.test_end - DAY_SECONDS


def choose_folds(wanted: str | None, folds: Sequence[Fold], table: TransactionTable, *, days: float) -> list[Fold]:
    """Returns the folds that a comma-separated list names by number or first training day; None: all covered.

    Raises:
        OpsError: a name is no fold's, or the data do not cover it, or they cover none.
    """
    covered = [fold for fold in folds if is_covered(table, fold, days=days)]
    if wanted is None:
        if not covered:
            length = days + DELAY_DAYS + TEST_DAYS
            raise OpsError(f"{_extent(table)}; no test week with the {length:g} days it needs lies in them.")
        return covered
    chosen = {_named(name.strip(), folds) for name in wanted.split(",")}
    for fold in chosen:
        if fold not in covered:
            needed = f"{day_of(fold.window(days).start)} to {day_of(fold.test_end - 1)}"
            raise OpsError(f"{_extent(table)}, but the fold with training from {fold.name} needs {needed}.")
    return [fold for fold in folds if fold in chosen]


def _named(name: str, folds: Sequence[Fold]) -> Fold:
    for number, fold in enumerate(folds, start=1):
        if name in {str(number), fold.name}:
            return fold
    known = ", ".join(f"{number} ({fold.name})" for number, fold in enumerate(folds, start=1)) or "none"
    raise OpsError(f"--folds {name!r} names no fold; by number (or first training day) there are: {known}.")


def _extent(table: TransactionTable) -> str:
    return f"The data run from {day_of(int(table.epoch_seconds[0]))} to {day_of(int(table.epoch_seconds[-1]))}"
