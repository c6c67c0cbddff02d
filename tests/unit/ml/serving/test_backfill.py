import numpy as np
import pytest

from ml.data.simulator import simulate
from ml.data.table import TransactionTable
from ml.domain.durations import DAY_SECONDS
from ml.features.history import History
from ml.features.offline import compute_features
from ml.serving.backfill import count_entities, entity_states
from ml.stores.features.features import AppliedLabel
from ml.stores.features.features_memory import MemoryFeatureStore
from tests.contracts.feature_operations import RATIO


def applied_labels(table: TransactionTable) -> list[AppliedLabel]:
    ratios = compute_features(table).vectors[:, RATIO].tolist()
    return [
        AppliedLabel(
            item.transaction_id,
            item.customer_id,
            item.terminal_id,
            bool(table.is_fraud[row]),
            int(table.label_known_at[row]),
            ratios[row],
        )
        for row, item in enumerate(table.to_transactions())
    ]


@pytest.mark.slow
@pytest.mark.parametrize("late_seconds", [0, 40_000])
def test_scoring_after_a_backfill_equals_scoring_after_having_lived(late_seconds: int) -> None:
    # Few entities and many days, so that payments are folded.
    table = simulate(customers=15, terminals=6, days=90, seed=3)
    if late_seconds:
        delays = np.where(np.random.default_rng(1).random(len(table)) < 0.1, late_seconds, 0)
        table = TransactionTable.build(**{**vars(table), "arrived_at": table.epoch_seconds + delays})
    moment = int(table.epoch_seconds[0]) + 70 * DAY_SECONDS
    arrival = np.argsort(table.arrived_at, kind="stable")
    transactions, labels = list(table.to_transactions()), applied_labels(table)
    before = [row for row in arrival if table.arrived_at[row] < moment]
    after = [row for row in arrival if table.arrived_at[row] >= moment]

    lived = MemoryFeatureStore()
    lived.observe([transactions[row] for row in before])
    known = [labels[row] for row in before if table.label_known_at[row] <= moment]
    lived.apply_labels(sorted(known, key=lambda label: label.known_at))
    filled = MemoryFeatureStore()
    states = list(entity_states(table, moment))
    assert filled.load(states) == len(states) == count_entities(table, moment)
    assert any(History.unpack(state.history).label_days for state in states)
    assert all(lived.state(state.kind, state.entity_id) == state.history for state in states)

    for row in after:
        for label in (labels[row] for row in before if moment < table.label_known_at[row] <= moment + 1):
            assert lived.apply_labels([label]) == filled.apply_labels([label])
        left, right = lived.observe([transactions[row]]), filled.observe([transactions[row]])
        np.testing.assert_array_equal(left.vectors, right.vectors)
        np.testing.assert_array_equal(left.sequences, right.sequences)
    later = [labels[row] for row in before if table.label_known_at[row] > moment]
    assert lived.apply_labels(later) == filled.apply_labels(later) > 0


def test_without_a_moment_everything_counts() -> None:
    table = simulate(customers=10, terminals=10, days=5, seed=3)
    histories = [History.unpack(state.history) for state in entity_states(table) if state.kind == "customer"]
    assert sum(len(history.entries) for history in histories) == 32 * len(table)


def test_a_history_without_rows_has_no_states() -> None:
    table = simulate(customers=5, terminals=5, days=3, seed=3)
    assert list(entity_states(table, 5)) == []
    assert count_entities(table, 5) == 0


def test_a_presumed_label_is_not_loaded() -> None:
    table = simulate(customers=10, terminals=10, days=20, seed=3)
    unlabelled = TransactionTable.build(**{**vars(table), "is_fraud": None, "label_known_at": None})
    presumed = TransactionTable.build(**{**vars(table), "is_presumed": np.ones(len(table), bool)})
    assert list(entity_states(presumed)) == list(entity_states(unlabelled))
