"""The payments of one test week that count, with their features: the same for every detector that is compared."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, TransactionTable
from ml.features.offline import compute_features
from ml.training.evaluation import Quality, measure
from ops.proving.bench.quality.protocol.fold import Fold, counted_rows, days_of_week


@dataclass(frozen=True)
class TestWeek:
    """N test payments.

    Attributes:
        fold: whose test week it is.
        rows: their indices in the table.
        labels: 1 for fraud [N].
        customers: customer codes [N].
        days: day of the week, from 0 [N].
        vectors: features [N, F].
        sequences: [N, S, K].
    """

    __test__ = False  # no test case, whatever its name begins with

    fold: Fold
    rows: NDArray[np.intp]
    labels: NDArray[np.int64]
    customers: NDArray[np.int32]
    days: NDArray[np.int64]
    vectors: NDArray[np.float32]
    sequences: NDArray[np.float32]

    @classmethod
    def load(cls, table: TransactionTable, fold: Fold, *, rows: NDArray[np.intp] | None = None) -> "TestWeek":
        """Computes the features over all history before each payment.

        Args:
            table: all transactions, with their labels.
            fold: whose test week.
            rows: the rows that count; default: those of the Handbook's protocol.
        """
        rows = counted_rows(table, fold) if rows is None else rows
        matrix = compute_features(table.between(int(table.epoch_seconds[0]), fold.test_end), rows)
        return cls(
            fold=fold,
            rows=rows,
            labels=(table.is_fraud[rows] == FRAUD).astype(np.int64),
            customers=table.customer_id.codes[rows],
            days=days_of_week(table, fold, rows),
            vectors=matrix.vectors.astype(np.float32),
            sequences=matrix.sequences,
        )

    def __len__(self) -> int:
        return len(self.rows)

    def measure(self, scores: NDArray[np.floating[Any]]) -> Quality:
        """Returns the quality of scores [N]."""
        return measure(self.labels, scores.astype(np.float64), customers=self.customers, days=self.days)
