from datetime import UTC, date, datetime

import numpy as np
import pytest

from ml.data.table import NEVER, UNKNOWN, Column, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ops.proving.bench.quality.protocol import fold as protocol
from ops.proving.bench.quality.protocol.fold import Fold, counted_rows, days_of_week

FOLD = Fold.from_training_day(date(2018, 7, 25))
NOON = DAY_SECONDS // 2


def payments(rows: list[tuple[str, int, int]]) -> TransactionTable:
    """Returns the table of (customer, day since the training began, is_fraud), all at noon, known a week later."""
    epoch = np.array([FOLD.train_start + day * DAY_SECONDS + NOON for _, day, _ in rows], np.int64)
    labels = np.array([label for _, _, label in rows], np.int8)
    return TransactionTable.build(
        transaction_id=np.arange(len(rows)),
        epoch_seconds=epoch,
        amount_units=np.full(len(rows), 10_000),
        customer_id=Column.of([customer for customer, _, _ in rows]),
        terminal_id=Column.constant("T", len(rows)),
        is_fraud=labels,
        label_known_at=np.where(labels == UNKNOWN, NEVER, epoch + 7 * DAY_SECONDS),
    )


def counted_days(table: TransactionTable) -> list[int]:
    """Returns the days of the test week of the rows that count."""
    return days_of_week(table, FOLD, counted_rows(table, FOLD)).tolist()


def test_a_fold_is_a_week_of_training_a_week_of_delay_and_a_week_of_test() -> None:
    days = [
        datetime.fromtimestamp(moment, UTC).isoformat()[:10]
        for moment in (FOLD.train_start, FOLD.train_end, FOLD.test_start, FOLD.test_end)
    ]
    assert days == ["2018-07-25", "2018-08-01", "2018-08-08", "2018-08-15"]


@pytest.mark.parametrize("days", [7, 28])
def test_every_training_window_ends_a_label_delay_before_the_test_and_sees_nothing_of_it(days: int) -> None:
    window = FOLD.window(days)
    assert (window.start, window.end) == (FOLD.train_end - days * DAY_SECONDS, FOLD.train_end)
    assert window.as_of == window.evaluation_end == FOLD.test_start


def test_the_test_rows_are_those_of_the_seven_days() -> None:
    table = payments([("A", day, 0) for day in (13, 14, 20, 21)])
    assert protocol.test_rows(table, FOLD).tolist() == [1, 2]


def test_a_customer_with_a_fraud_in_the_training_week_is_left_out_of_the_whole_test_week() -> None:
    table = payments([("A", 0, 1), *(("A", day, 0) for day in range(14, 21))])
    assert counted_days(table) == []


def test_a_fraud_of_the_delay_week_counts_from_the_day_after_its_label_is_known() -> None:
    # Known in the course of test day 2, so the card is blocked from day 3 on.
    table = payments([("A", 9, 1), *(("A", day, 0) for day in range(14, 21))])
    assert counted_days(table) == [0, 1, 2]


def test_a_fraud_of_the_test_week_is_not_known_in_it() -> None:
    table = payments([("A", 14, 1), *(("A", day, 0) for day in range(15, 21))])
    assert counted_days(table) == [0, 1, 2, 3, 4, 5, 6]


def test_a_fraud_from_before_the_training_week_is_forgotten() -> None:
    table = payments([("A", -1, 1), ("A", 14, 0)])
    assert counted_days(table) == [0]


def test_another_customer_s_fraud_changes_nothing() -> None:
    table = payments([("B", 0, 1), ("A", 14, 0)])
    assert counted_days(table) == [0]


def test_a_payment_whose_outcome_nobody_knows_cannot_be_counted() -> None:
    table = payments([("A", 14, UNKNOWN), ("A", 15, 0)])
    assert counted_days(table) == [1]
