"""The parity law: a table gives the numbers that living through its rows gives."""

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.data.simulator import simulate
from ml.data.table import NEVER, TransactionTable
from ml.domain.transaction import Transaction
from ml.features import definition
from ml.features.history import SHAPES, Shapes
from ml.features.kernel import FeatureMatrix
from ml.features.offline import compute_features
from ml.features.schema import FEATURE_NAMES
from ml.stores.features.features import AppliedLabel
from ml.stores.features.features_memory import MemoryFeatureStore
from tests.contracts.feature_operations import DAY, RATIO, SMALL, START

WHOLE_NUMBERS = [
    index
    for index, name in enumerate(FEATURE_NAMES)
    if any(part in name for part in ("count", "sum", "frauds", "visits"))
]


@dataclass(frozen=True)
class Event:
    """One payment as it arrives: event time and delay in seconds, and when its label comes, if it does."""

    number: int
    gap: int
    late: int
    customer: int
    terminal: int
    cents: int
    device: int | None
    country: str | None
    label_after: int | None
    is_fraud: bool

    def transaction(self, now: int) -> Transaction:
        return Transaction(
            transaction_id=f"p{self.number}",
            timestamp=float(now - self.late),
            customer_id=f"c{self.customer}",
            terminal_id=f"t{self.terminal}",
            amount=Decimal(self.cents) / 100,
            currency="EUR",
            channel="pos",
            country=self.country,
            device_id=None if self.device is None else f"d{self.device}",
        )


def events(number: int) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        number=st.just(number),
        gap=st.sampled_from([0, 1, 60, 3_599, 3_600, 7_000, DAY - 1, DAY, 5 * DAY]),
        late=st.sampled_from([0, 0, 0, 0, 1, 3_600, 3 * DAY]),
        customer=st.integers(0, 2),
        terminal=st.integers(0, 2),
        cents=st.sampled_from([1, 99, 1_000, 5_000, 33_333, 100_000_000_000]),
        device=st.one_of(st.none(), st.integers(0, 2)),
        country=st.sampled_from([None, "DE", "FR"]),
        label_after=st.sampled_from([None, 0, 60, DAY, 7 * DAY]),
        is_fraud=st.booleans(),
    )


histories = st.integers(1, 40).flatmap(lambda length: st.tuples(*(events(number) for number in range(length))))


def live_through(
    history: tuple[Event, ...], repeated: set[int], shapes: Shapes = SHAPES
) -> tuple[FeatureMatrix, TransactionTable]:
    """Feeds the events one by one to a store, labels as they become known, some events twice.

    Returns what the store answered and the table of it all, rows in the same order.
    """
    store = MemoryFeatureStore(shapes)
    now, vectors, sequences, rows = START + 10 * DAY, [], [], []
    pending: list[AppliedLabel] = []
    for event in history:
        now += event.gap
        for label in sorted((label for label in pending if label.known_at <= now), key=lambda item: item.known_at):
            store.apply_labels([label])
        pending = [label for label in pending if label.known_at > now]
        transaction = event.transaction(now)
        matrix = store.observe([transaction])
        if event.number in repeated:
            np.testing.assert_array_equal(store.observe([transaction]).vectors, matrix.vectors)
        vectors.append(matrix.vectors)
        sequences.append(matrix.sequences)
        known_at = NEVER if event.label_after is None else now + event.label_after
        # Only the order of arrivals matters; ranks order those of one second.
        rows.append((transaction, event.number, known_at, int(event.is_fraud)))
        if event.label_after is not None:
            ids = (transaction.transaction_id, transaction.customer_id, transaction.terminal_id)
            ratio = float(matrix.vectors[0, RATIO])
            pending.append(AppliedLabel(*ids, event.is_fraud, known_at, ratio))
    table = TransactionTable.from_transactions(
        [row[0] for row in rows],
        arrived_at=[row[1] for row in rows],
        label_known_at=[row[2] for row in rows],
        is_fraud=[row[3] for row in rows],
    )
    return FeatureMatrix(np.concatenate(vectors), np.concatenate(sequences)), table


def assert_same(online: FeatureMatrix, offline: FeatureMatrix) -> None:
    np.testing.assert_array_equal(online.vectors[:, WHOLE_NUMBERS], offline.vectors[:, WHOLE_NUMBERS])
    # Sums of more padding round differently in their last bits.
    np.testing.assert_allclose(online.vectors, offline.vectors, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(online.sequences, offline.sequences, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(history=histories, repeated=st.sets(st.integers(0, 40), max_size=5))
def test_online_equals_offline_for_any_history(history: tuple[Event, ...], repeated: set[int]) -> None:
    online, table = live_through(history, repeated)
    rows = np.array([list(table.transaction_id).index(f"p{event.number}") for event in history])
    assert_same(online, compute_features(table, rows))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(history=st.tuples(*(events(number) for number in range(30))), repeated=st.sets(st.integers(0, 30), max_size=5))
def test_online_equals_offline_when_payments_are_folded(history: tuple[Event, ...], repeated: set[int]) -> None:
    online, table = live_through(history, repeated, SMALL)
    rows = np.array([list(table.transaction_id).index(f"p{event.number}") for event in history])
    assert_same(online, compute_features(table, rows, SMALL))


@pytest.mark.slow
def test_online_equals_offline_over_a_simulated_history() -> None:
    table = simulate(customers=40, terminals=30, days=60, seed=3)
    store = MemoryFeatureStore()
    transactions = list(table.to_transactions())
    vectors = []
    labels = [
        AppliedLabel(
            item.transaction_id,
            item.customer_id,
            item.terminal_id,
            bool(table.is_fraud[row]),
            int(table.label_known_at[row]),
        )
        for row, item in enumerate(transactions)
    ]
    applied = 0
    for item in transactions:
        while labels[applied].known_at <= item.epoch_seconds:
            store.apply_labels([replace(labels[applied], amount_ratio=float(vectors[applied][0, RATIO]))])
            applied += 1
        vectors.append(store.observe([item]).vectors)
    np.testing.assert_allclose(np.concatenate(vectors), compute_features(table).vectors, rtol=1e-9, atol=1e-9)


def test_labels_that_are_not_known_yet_move_no_feature() -> None:
    table = simulate(customers=60, terminals=40, days=40, seed=4)
    unlabelled = TransactionTable.build(
        **{**vars(table), "is_fraud": None, "label_known_at": None},
    )
    future = TransactionTable.build(**{**vars(table), "label_known_at": table.epoch_seconds + 365 * DAY})
    assert_same(compute_features(future), compute_features(unlabelled))
    risk = [index for index, name in enumerate(FEATURE_NAMES) if "fraud" in name and "age" not in name]
    shifted, known = compute_features(future).vectors, compute_features(table).vectors
    assert not shifted[:, risk].any()
    assert known[:, risk].any()
    others = [index for index, name in enumerate(FEATURE_NAMES) if "fraud" not in name]
    np.testing.assert_array_equal(shifted[:, others], known[:, others])


def test_rows_come_back_in_the_order_asked_for() -> None:
    table = simulate(customers=20, terminals=20, days=20, seed=5)
    rows = np.random.default_rng(0).permutation(len(table))[:100]
    np.testing.assert_allclose(compute_features(table, rows).vectors, compute_features(table).vectors[rows], rtol=1e-9)


def test_no_rows_give_an_empty_matrix() -> None:
    table = simulate(customers=5, terminals=5, days=5, seed=5)
    assert compute_features(table, np.array([], np.intp)).vectors.shape == (0, len(FEATURE_NAMES))


def test_no_feature_is_ever_nan_and_all_fit_single_precision() -> None:
    matrix = compute_features(simulate(customers=50, terminals=30, days=60, seed=6))
    assert np.isfinite(matrix.vectors.astype(np.float32)).all()
    assert np.isfinite(matrix.sequences).all()
    assert (matrix.vectors[:, FEATURE_NAMES.index("customer_fraud_age_days")] <= definition.MAX_AGE_DAYS).all()


def test_a_presumed_label_is_never_seen_by_a_feature() -> None:
    table = simulate(customers=20, terminals=20, days=30, seed=3)
    unlabelled = TransactionTable.build(**{**vars(table), "is_fraud": None, "label_known_at": None})
    presumed = TransactionTable.build(**{**vars(table), "is_presumed": np.ones(len(table), bool)})
    np.testing.assert_array_equal(compute_features(presumed).vectors, compute_features(unlabelled).vectors)
    assert (compute_features(table).vectors != compute_features(unlabelled).vectors).any()
