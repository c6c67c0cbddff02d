import numpy as np
import pytest

from ml.data.simulator import simulate
from ml.data.table import FRAUD, LEGITIMATE, NEVER, UNKNOWN, TransactionTable
from ml.stores.training_source.training_source_memory import MemoryTrainingSource
from ml.training.stored_table import gather
from tests.contracts.training_source import label, record

DAY = 86_400
FIRST_EVENT = 1_000_000


def _gather(
    source: MemoryTrainingSource, history: TransactionTable | None, days: float = 60
) -> TransactionTable | None:
    return gather(source, history, span_seconds=round(days * DAY), label_delay_seconds=7 * DAY)


@pytest.fixture(scope="module")
def history() -> TransactionTable:
    return simulate(customers=50, terminals=40, days=40, seed=1)


def test_nothing_gives_nothing() -> None:
    assert _gather(MemoryTrainingSource(), None) is None


def test_history_alone_reaches_back_by_the_span(history: TransactionTable) -> None:
    table = _gather(MemoryTrainingSource(), history, days=20)
    assert table is not None
    latest = int(history.epoch_seconds[-1])
    assert int(table.epoch_seconds[-1]) == latest
    assert int(table.epoch_seconds[0]) > latest - 20 * DAY
    assert len(table) == int((history.epoch_seconds > latest - 20 * DAY).sum())


def test_labels_of_after_the_latest_transaction_are_not_known_yet(history: TransactionTable) -> None:
    table = _gather(MemoryTrainingSource(), history)
    assert table is not None
    latest = int(history.epoch_seconds[-1])
    is_late = table.epoch_seconds + 7 * DAY > latest
    assert is_late.any()
    assert (table.is_fraud[is_late] == UNKNOWN).all()
    assert (table.label_known_at[is_late] == NEVER).all()
    assert (table.is_fraud[~is_late] != UNKNOWN).all()


def test_a_stored_transaction_has_its_label_or_becomes_legitimate_after_the_delay() -> None:
    latest = record(3)
    latest["transaction"] = latest["transaction"] | {"timestamp": float(FIRST_EVENT + 30 * DAY)}
    known = FIRST_EVENT + 5 * DAY
    source = MemoryTrainingSource([record(1), record(2), latest], [label(1, is_fraud=True, at=float(known))])
    table = _gather(source, None)
    assert table is not None
    assert table.transaction_id.tolist() == ["t1", "t2", "t3"]
    assert table.is_fraud.tolist() == [FRAUD, LEGITIMATE, UNKNOWN]
    assert table.label_known_at.tolist() == [known, FIRST_EVENT + 2 + 7 * DAY, NEVER]
    assert table.reported_at.tolist() == [known, NEVER, NEVER]


def test_what_both_hold_is_taken_from_the_store(history: TransactionTable) -> None:
    rows = [record(number) for number in range(3)]
    for number, row in enumerate(rows):
        transaction = next(history.select(slice(len(history) - 3 + number, None)).to_transactions())
        row["transaction_id"] = transaction.transaction_id
        row["transaction"] = transaction.wire()
    table = _gather(MemoryTrainingSource(rows), history)
    assert table is not None
    assert len(table) == len(history)
    assert len({str(item) for item in table.transaction_id}) == len(history)
    assert int((table.arrived_at != table.epoch_seconds).sum()) == 3


def test_history_and_store_follow_each_other_in_time(history: TransactionTable) -> None:
    last = int(history.epoch_seconds[-1])
    rows = [record(number) for number in range(4)]
    for number, row in enumerate(rows):
        row["transaction"] = row["transaction"] | {"timestamp": float(last + 10 - number)}
    table = _gather(MemoryTrainingSource(rows), history)
    assert table is not None
    assert len(table) == len(history) + 4
    assert (np.diff(table.epoch_seconds) >= 0).all()
    assert table.transaction_id[-4:].tolist() == ["t3", "t2", "t1", "t0"]


def test_a_history_that_ended_long_before_the_store_adds_nothing(history: TransactionTable) -> None:
    row = record(1)
    row["transaction"] = row["transaction"] | {"timestamp": float(history.epoch_seconds[-1] + 100 * DAY)}
    table = _gather(MemoryTrainingSource([row]), history)
    assert table is not None
    assert len(table) == 1
