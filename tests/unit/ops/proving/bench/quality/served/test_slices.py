import numpy as np
import pytest

from ml.data.table import FRAUD, NEVER, Column, TransactionTable
from ops.proving.bench.quality.served.slices import SLICE_SECONDS, cut

DAY = 86_400


def random_table(seed: int, *, longest_delay: int, rows: int = 400) -> TransactionTable:
    """Two days of transactions, several of them in one second, whose labels come after up to `longest_delay`."""
    chance = np.random.default_rng(seed)
    times = np.sort(chance.integers(0, 2 * DAY, rows)) // 300 * 300
    delays = chance.integers(0, longest_delay + 1, rows)
    return TransactionTable.build(
        transaction_id=np.arange(rows),
        epoch_seconds=times,
        amount_units=np.ones(rows, np.int64),
        customer_id=Column.constant("c", rows),
        terminal_id=Column.constant("t", rows),
        is_fraud=np.full(rows, FRAUD, np.int8),
        label_known_at=np.where(chance.random(rows) < 0.9, times + delays, NEVER),
        is_presumed=chance.random(rows) < 0.1,
    )


@pytest.mark.parametrize("longest_delay", [0, 600, 5 * 3_600, 30 * 3_600])
def test_every_label_comes_after_its_transaction_and_before_those_that_may_see_it(longest_delay: int) -> None:
    table = random_table(longest_delay, longest_delay=longest_delay)
    rows = np.flatnonzero(table.epoch_seconds >= DAY)
    known_since = DAY
    sent: list[int] = [int(row) for row in range(rows[0])]
    labelled = set(np.flatnonzero(table.reported_at <= known_since).tolist())
    for part in cut(table, rows, known_since=known_since):
        assert len(part.transactions) > 0
        assert labelled.isdisjoint(part.labels.tolist())
        assert set(part.labels.tolist()) <= set(sent)
        labelled |= set(part.labels.tolist())
        for row in part.transactions.tolist():
            now = int(table.epoch_seconds[row])
            known = np.flatnonzero(table.reported_at[:row] <= now)
            # Within its own second a label may be one moment late: the files know no finer time.
            assert {int(item) for item in known if table.epoch_seconds[item] < now} <= labelled
            sent.append(row)
    assert sent == list(range(len(table)))
    assert not any(table.is_presumed[row] for row in labelled)


def test_late_labels_allow_long_slices() -> None:
    table = random_table(1, longest_delay=0)
    late = TransactionTable.build(**{**vars(table), "label_known_at": table.epoch_seconds + 7 * DAY})
    rows = np.arange(len(late))
    assert len(list(cut(late, rows, known_since=0))) <= 2 * DAY // SLICE_SECONDS + 1
