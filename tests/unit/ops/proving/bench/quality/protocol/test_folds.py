from datetime import date

import pytest

from ml.data.simulator import simulate
from ml.data.table import TransactionTable
from ops.errors import OpsError
from ops.proving.bench.quality.protocol.folds import TEST_FOLDS, VALIDATION_FOLDS, choose_folds, is_covered, last_folds


def data(first: date, days: int) -> TransactionTable:
    return simulate(customers=10, terminals=10, days=days, seed=1, start=first)


@pytest.fixture(scope="module")
def handbook_dates() -> TransactionTable:
    """The days of the Handbook's first fold and all before it, 136 days."""
    return data(date(2018, 4, 1), 136)


def names(folds: object) -> list[str]:
    return [fold.name for fold in folds]  # type: ignore[attr-defined]


def test_the_four_folds_are_those_of_the_published_figures() -> None:
    assert names(TEST_FOLDS) == ["2018-07-25", "2018-08-01", "2018-08-08", "2018-08-15"]
    assert TEST_FOLDS[-1].test_week == "2018-08-29 to 2018-09-04"


def test_validation_ends_before_the_first_day_that_anything_published_was_trained_on_ends() -> None:
    assert [fold.test_week for fold in VALIDATION_FOLDS] == [
        "2018-07-11 to 2018-07-17",
        "2018-07-18 to 2018-07-24",
        "2018-07-25 to 2018-07-31",
    ]


def test_by_default_every_covered_fold_is_taken(handbook_dates: TransactionTable) -> None:
    assert names(choose_folds(None, TEST_FOLDS, handbook_dates, days=28)) == ["2018-07-25"]
    assert len(choose_folds(None, VALIDATION_FOLDS, handbook_dates, days=28)) == 3


def test_a_fold_is_covered_only_with_the_last_day_of_its_test_week() -> None:
    assert is_covered(data(date(2018, 6, 1), 75), TEST_FOLDS[0], days=28)
    assert not is_covered(data(date(2018, 6, 1), 74), TEST_FOLDS[0], days=28)


def test_a_fold_is_covered_only_with_the_first_day_of_its_training_window() -> None:
    assert is_covered(data(date(2018, 7, 4), 42), TEST_FOLDS[0], days=28)
    assert not is_covered(data(date(2018, 7, 5), 41), TEST_FOLDS[0], days=28)
    assert is_covered(data(date(2018, 7, 5), 41), TEST_FOLDS[0], days=7)


def test_folds_are_named_by_number_or_first_training_day_and_come_in_order() -> None:
    table = data(date(2018, 6, 1), 100)
    assert names(choose_folds("2018-08-01, 1", TEST_FOLDS, table, days=28)) == ["2018-07-25", "2018-08-01"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("5", "names no fold"),
        ("", "names no fold"),
        ("2018-07-26", "names no fold"),
        ("1,2", "the fold with training from 2018-08-01 needs 2018-07-11 to 2018-08-21"),
    ],
)
def test_folds_that_do_not_exist_or_are_not_covered_are_refused(
    wanted: str, said: str, handbook_dates: TransactionTable
) -> None:
    with pytest.raises(OpsError) as refusal:
        choose_folds(wanted, TEST_FOLDS, handbook_dates, days=28)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_other_data_end_with_their_last_test_week() -> None:
    table = data(date(2026, 1, 1), 60)
    folds = last_folds(table, days=28)
    assert [fold.test_week for fold in folds] == [
        "2026-02-09 to 2026-02-15",
        "2026-02-16 to 2026-02-22",
        "2026-02-23 to 2026-03-01",
    ]


def test_data_too_short_for_any_fold_are_refused() -> None:
    table = data(date(2026, 1, 1), 30)
    with pytest.raises(OpsError, match="no test week with the 42 days"):
        choose_folds(None, last_folds(table, days=28), table, days=28)
