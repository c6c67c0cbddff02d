"""The Handbook's protocol: which days are trained on, which are tested on, and which test payments count.

Seven days of training, seven days until labels are known, seven days of test. A customer whose fraud was known before
a test day began has had the card blocked: that day's payments of the customer count neither for nor against a score.
Source: Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection", chapters 3 and 5.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, LEGITIMATE, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.training.evaluation import known_compromised
from ml.training.window import TrainingWindow

TRAIN_DAYS = DELAY_DAYS = TEST_DAYS = 7
"""Lengths of the Handbook's three periods."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One training week of the Handbook and the test week that belongs to it, in epoch seconds, UTC.

    A longer training window of the same fold ends at `train_end` too.

    Attributes:
        name: first day of the training week, as 2018-07-25.
        train_start, train_end: training week [start, end).
        test_start, test_end: test week [start, end), `DELAY_DAYS` after the training week.
    """

    name: str
    train_start: int
    train_end: int
    test_start: int
    test_end: int

    @classmethod
    def from_training_day(cls, first: date) -> "Fold":
        """Returns the fold whose training begins on a day.

        >>> Fold.from_training_day(date(2018, 7, 25)).test_week
        '2018-08-08 to 2018-08-14'
        """
        start = int(datetime.combine(first, time(), UTC).timestamp())
        train_end = start + TRAIN_DAYS * DAY_SECONDS
        test_start = train_end + DELAY_DAYS * DAY_SECONDS
        return cls(first.isoformat(), start, train_end, test_start, test_start + TEST_DAYS * DAY_SECONDS)

    @property
    def test_week(self) -> str:
        """Names the first and the last day of the test week."""
        return f"{day_of(self.test_start)} to {day_of(self.test_end - 1)}"

    def window(self, days: float = TRAIN_DAYS) -> TrainingWindow:
        """Returns the training window of `days` that ends with the training week, of what is known before the test.

        Its evaluation slice is empty: a training needs to see nothing from `test_start` on.
        """
        return TrainingWindow.before(self.test_start, days=days, label_delay_days=DELAY_DAYS, evaluation_days=0)


def test_rows(table: TransactionTable, fold: Fold) -> NDArray[np.intp]:
    """Returns the indices of all rows of the fold's test week, in the table's order."""
    first, end = np.searchsorted(table.epoch_seconds, [fold.test_start, fold.test_end])
    return np.arange(first, end, dtype=np.intp)


def counted_rows(table: TransactionTable, fold: Fold) -> NDArray[np.intp]:
    """Returns the test rows that count: their outcome is known by now, and their customer was not yet compromised.

    As in the Handbook, a customer is compromised by a fraud since the first training day that became known before
    the test day began.
    """
    rows = test_rows(table, fold)
    rows = rows[table.is_fraud[rows] >= LEGITIMATE]
    frauds = np.flatnonzero((table.is_fraud == FRAUD) & (table.epoch_seconds >= fold.train_start))
    blocked = known_compromised(
        customers=table.customer_id.codes[rows],
        moments=fold.test_start + days_of_week(table, fold, rows) * DAY_SECONDS,
        frauds=(table.customer_id.codes[frauds], table.label_known_at[frauds]),
        since=fold.train_start,
    )
    return rows[~blocked]


def days_of_week(table: TransactionTable, fold: Fold, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Returns the day of the test week, from 0, of each row."""
    return np.asarray((table.epoch_seconds[rows] - fold.test_start) // DAY_SECONDS)


def day_of(moment: int) -> str:
    """Returns the UTC day of an epoch second.

    >>> day_of(1522540800)
    '2018-04-01'
    """
    return datetime.fromtimestamp(moment, UTC).date().isoformat()
