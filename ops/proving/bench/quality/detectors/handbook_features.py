"""The Handbook's 15 features, for its own two baselines alone: the proof that the protocol here is theirs.

Amount, weekend, night; per customer the count and mean amount of 1, 7 and 30 days, the payment itself included; per
terminal the count and the share of frauds of the same windows, shifted into the past by the label delay.
Source: Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection", chapter 3, "Baseline feature
transformation".
"""

import numpy as np
from numpy.typing import NDArray

from ml.data.table import FRAUD, TransactionTable
from ml.domain.amounts import UNITS_PER_CURRENCY_UNIT
from ml.domain.durations import DAY_SECONDS
from ops.proving.bench.quality.protocol.fold import DELAY_DAYS

WINDOW_DAYS = (1, 7, 30)
LAST_NIGHT_HOUR = 6
_WEEKDAY_OF_EPOCH = 3  # 1970-01-01 was a Thursday; Monday is 0
_FIRST_WEEKEND_DAY = 5


def handbook_features(table: TransactionTable) -> NDArray[np.float64]:
    """Returns [N, 15] for all rows of a table, whose history begins with its first row."""
    times, amounts = table.epoch_seconds, table.amount_units / UNITS_PER_CURRENCY_UNIT
    days = times // DAY_SECONDS
    columns = [
        amounts,
        (days + _WEEKDAY_OF_EPOCH) % 7 >= _FIRST_WEEKEND_DAY,
        times % DAY_SECONDS // 3600 <= LAST_NIGHT_HOUR,
    ]
    customers = _RollingSums(table.customer_id.codes, times)
    for window in WINDOW_DAYS:
        count = customers.over(np.ones(len(table)), window)
        columns += [count, customers.over(amounts, window) / count]
    terminals = _RollingSums(table.terminal_id.codes, times)
    ones, frauds = np.ones(len(table)), (table.is_fraud == FRAUD).astype(np.float64)
    for window in WINDOW_DAYS:
        count, fraud_count = (
            terminals.over(values, DELAY_DAYS + window) - terminals.over(values, DELAY_DAYS)
            for values in (ones, frauds)
        )
        # A terminal without payments in the window has no known risk.
        columns += [count, fraud_count / np.maximum(count, 1.0)]
    return np.column_stack(columns).astype(np.float64)


class _RollingSums:
    """Sums over each entity's rows of a window (time - length, time] that stand no later in the table than the row."""

    def __init__(self, entities: NDArray[np.int32], times: NDArray[np.int64]) -> None:
        self._order = np.argsort(entities, kind="stable")
        # One axis for all entities, with gaps longer than any window between them.
        gap = int(times[-1] - times[0]) + (max(WINDOW_DAYS) + DELAY_DAYS + 1) * DAY_SECONDS
        self._axis = entities[self._order].astype(np.int64) * gap + times[self._order]

    def over(self, values: NDArray[np.float64], days: int) -> NDArray[np.float64]:
        """Returns each row's sum of `values` over the last `days`, in the table's order."""
        total = np.concatenate([[0.0], np.cumsum(values[self._order])])
        first = np.searchsorted(self._axis, self._axis - days * DAY_SECONDS, side="right")
        sums = np.empty(len(values))
        sums[self._order] = total[1:] - total[first]
        return sums
