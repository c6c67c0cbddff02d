"""What every feature store does; subclasses name the adapter in a fixture `store`."""

from decimal import Decimal

import numpy as np
import pytest

from ml.features.definition import CUSTOMER_RING_CAPACITY
from ml.features.kernel import FeatureMatrix
from ml.features.schema import FEATURE_COUNT, FEATURE_NAMES, SEQUENCE_CHANNELS, SEQUENCE_LENGTH
from ml.stores.features import AppliedLabel, EntityState, FeatureStore
from ml.stores.features_memory import MemoryFeatureStore
from ml.transaction import Transaction

START = 1_767_225_600
DAY = 86_400


def payment(number: int, *, at: int = 0, customer: str = "c1", terminal: str = "t1", amount: str = "10") -> Transaction:
    return Transaction(
        transaction_id=f"p{number}",
        timestamp=float(START + at),
        customer_id=customer,
        terminal_id=terminal,
        amount=Decimal(amount),
        currency="EUR",
        channel="pos",
        country="DE",
        device_id="d1",
    )


def label(
    transaction: Transaction, *, known_at: int, is_fraud: bool = True, amount_ratio: float | None = None
) -> AppliedLabel:
    return AppliedLabel(
        transaction.transaction_id,
        transaction.customer_id,
        transaction.terminal_id,
        is_fraud,
        START + known_at,
        amount_ratio,
    )


def value(matrix: FeatureMatrix, name: str, row: int = 0) -> float:
    return float(matrix.vectors[row, FEATURE_NAMES.index(name)])


class FeatureStoreContract:
    def test_answers_one_vector_and_one_sequence_per_transaction(self, store: FeatureStore) -> None:
        matrix = store.observe([payment(1), payment(2, customer="c2"), payment(3)])
        assert matrix.vectors.shape == (3, FEATURE_COUNT)
        assert matrix.vectors.dtype == np.float64
        assert matrix.sequences.shape == (3, SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS))
        assert matrix.sequences.dtype == np.float32

    def test_the_past_does_not_hold_the_transaction_itself(self, store: FeatureStore) -> None:
        assert value(store.observe([payment(1)]), "customer_history") == 0
        assert value(store.observe([payment(2, at=60)]), "customer_history") == 1

    def test_a_later_row_of_a_batch_sees_the_earlier_ones(self, store: FeatureStore) -> None:
        matrix = store.observe([payment(number, at=number, amount=f"{number}") for number in range(1, 6)])
        assert [value(matrix, "customer_count_1h", row) for row in range(5)] == [0, 1, 2, 3, 4]
        assert [value(matrix, "customer_sum_1h", row) for row in range(5)] == [0, 1, 3, 6, 10]
        assert [value(matrix, "terminal_count_1d", row) for row in range(5)] == [0, 1, 2, 3, 4]

    def test_a_batch_and_its_rows_one_by_one_give_the_same(self, store: FeatureStore) -> None:
        payments = [
            payment(
                number, at=977 * number, customer=f"c{number % 3}", terminal=f"t{number % 2}", amount=f"{number}.01"
            )
            for number in range(1, 30)
        ]
        batched = store.observe(payments)
        singly = MemoryFeatureStore()
        vectors = np.concatenate([singly.observe([item]).vectors for item in payments])
        np.testing.assert_allclose(batched.vectors, vectors, rtol=1e-12, atol=1e-9)

    def test_a_repeated_transaction_counts_once_and_gets_its_first_vector_again(self, store: FeatureStore) -> None:
        store.observe([payment(1), payment(2, at=10)])
        first = store.observe([payment(3, at=20)])
        store.observe([payment(4, at=20), payment(5, at=30)])
        again = store.observe([payment(3, at=20)])
        np.testing.assert_array_equal(first.vectors, again.vectors)
        np.testing.assert_array_equal(first.sequences, again.sequences)
        assert value(store.observe([payment(6, at=40)]), "customer_count_1h") == 5

    def test_a_transaction_twice_in_one_batch_counts_once(self, store: FeatureStore) -> None:
        matrix = store.observe([payment(1), payment(1), payment(2, at=5)])
        assert [value(matrix, "customer_history", row) for row in range(3)] == [0, 0, 1]

    def test_a_late_transaction_lands_in_its_place_in_time(self, store: FeatureStore) -> None:
        store.observe([payment(1, at=0, amount="1"), payment(2, at=7200, amount="4")])
        late = store.observe([payment(3, at=3600, amount="2")])
        assert value(late, "customer_history") == 1
        assert value(late, "customer_hours_since_last") == 1.0
        after = store.observe([payment(4, at=7201, amount="8")])
        assert value(after, "customer_sum_1h") == 4
        assert value(after, "customer_sum_1d") == 7

    def test_a_ring_keeps_the_newest_entries(self, store: FeatureStore) -> None:
        many = CUSTOMER_RING_CAPACITY + 5
        store.observe([payment(number, at=number, amount=f"{number + 1}") for number in range(many)])
        matrix = store.observe([payment(many, at=many)])
        assert value(matrix, "customer_history") == CUSTOMER_RING_CAPACITY
        assert value(matrix, "customer_sum_1h") == sum(range(6, many + 1))

    def test_something_older_than_a_full_ring_is_not_remembered(self, store: FeatureStore) -> None:
        store.observe([payment(number, at=1000 + number) for number in range(CUSTOMER_RING_CAPACITY)])
        assert value(store.observe([payment(900, at=5, amount="9999")]), "customer_history") == 0
        matrix = store.observe([payment(901, at=2000)])
        assert value(matrix, "customer_sum_1d") == 10 * CUSTOMER_RING_CAPACITY

    def test_a_label_counts_from_the_moment_it_became_known(self, store: FeatureStore) -> None:
        fraud = payment(1)
        store.observe([fraud])
        assert store.apply_labels([label(fraud, known_at=DAY)]) == 1
        before = store.observe([payment(2, at=DAY - 1)])
        after = store.observe([payment(4, at=DAY)])
        assert value(before, "terminal_frauds_7d") == 0
        assert value(before, "customer_frauds_7d") == 0
        assert value(after, "terminal_frauds_7d") == 1
        assert value(after, "terminal_fraud_share_last_1") == 1
        assert value(after, "customer_frauds_7d") == 1

    def test_a_legitimate_label_lowers_the_share(self, store: FeatureStore) -> None:
        payments = [payment(number, at=number) for number in range(4)]
        store.observe(payments)
        store.apply_labels([label(item, known_at=DAY, is_fraud=item is payments[0]) for item in payments])
        matrix = store.observe([payment(9, at=2 * DAY - 1)])
        assert value(matrix, "terminal_fraud_share_7d") == 0.25
        assert value(matrix, "terminal_fraud_share_last_3") == 0

    def test_the_same_label_again_changes_nothing(self, store: FeatureStore) -> None:
        fraud = payment(1)
        store.observe([fraud])
        store.apply_labels([label(fraud, known_at=DAY)])
        assert store.apply_labels([label(fraud, known_at=3 * DAY)]) == 1
        assert value(store.observe([payment(2, at=2 * DAY)]), "terminal_frauds_7d") == 1

    def test_a_corrected_label_replaces_the_first(self, store: FeatureStore) -> None:
        fraud = payment(1)
        store.observe([fraud])
        store.apply_labels([label(fraud, known_at=DAY), label(fraud, known_at=2 * DAY, is_fraud=False)])
        matrix = store.observe([payment(2, at=3 * DAY)])
        assert value(matrix, "terminal_frauds_7d") == 0
        assert value(matrix, "terminal_fraud_age_days") == 60.0

    @pytest.mark.parametrize(("ratio", "ordinary"), [(1.0, 1), (2.0, 1), (2.1, 0)])
    def test_a_fraud_is_ordinary_if_its_customers_norm_does_not_tell_it(
        self, store: FeatureStore, ratio: float, ordinary: int
    ) -> None:
        fraud = payment(1)
        store.observe([fraud])
        store.apply_labels([label(fraud, known_at=DAY, amount_ratio=ratio)])
        matrix = store.observe([payment(2, at=2 * DAY)])
        assert value(matrix, "terminal_frauds_7d") == 1
        assert value(matrix, "terminal_ordinary_frauds_7d") == ordinary
        assert value(matrix, "terminal_ordinary_fraud_share_last_1") == ordinary

    @pytest.mark.parametrize(("amount", "ordinary"), [("20", 1), ("21", 0)])
    def test_without_a_ratio_the_customers_remembered_payments_tell_what_is_ordinary(
        self, store: FeatureStore, amount: str, ordinary: int
    ) -> None:
        fraud = payment(5, at=5, amount=amount)
        store.observe([*(payment(number, at=number) for number in range(5)), fraud, payment(6, at=6, amount="999")])
        store.apply_labels([label(fraud, known_at=DAY)])
        assert value(store.observe([payment(7, at=2 * DAY)]), "terminal_ordinary_frauds_7d") == ordinary

    def test_without_a_ratio_and_without_the_customer_no_fraud_is_ordinary(self, store: FeatureStore) -> None:
        fraud = payment(1)
        store.observe([fraud])
        store.load([EntityState("customer", "c1", b"")])
        store.apply_labels([label(fraud, known_at=DAY)])
        matrix = store.observe([payment(2, at=2 * DAY)])
        assert (value(matrix, "terminal_frauds_7d"), value(matrix, "terminal_ordinary_frauds_7d")) == (1, 0)

    def test_a_label_does_not_touch_country_or_device(self, store: FeatureStore) -> None:
        fraud = payment(1)
        store.observe([fraud])
        store.apply_labels([label(fraud, known_at=1)])
        matrix = store.observe([payment(2, at=5)])
        assert (value(matrix, "is_new_country"), value(matrix, "is_new_device")) == (0, 0)

    def test_labels_of_forgotten_transactions_are_not_counted(self, store: FeatureStore) -> None:
        store.observe([payment(1)])
        unknown = label(payment(2), known_at=DAY)
        elsewhere = label(payment(3, customer="nobody", terminal="nowhere"), known_at=DAY)
        assert store.apply_labels([unknown, elsewhere]) == 0
        assert store.apply_labels([]) == 0

    def test_loaded_states_replace_what_was_there(self, store: FeatureStore) -> None:
        store.observe([payment(1), payment(2)])
        assert store.load([EntityState("customer", "c1", b""), EntityState("terminal", "t1", b"")]) == 2
        matrix = store.observe([payment(3)])
        assert (value(matrix, "customer_history"), value(matrix, "terminal_count_1d")) == (0, 0)

    @pytest.mark.parametrize("amount", ["0.0001", "999999999.9999", "1000000000"])
    def test_amounts_stay_exact(self, store: FeatureStore, amount: str) -> None:
        store.observe([payment(number, at=number, amount=amount) for number in range(3)])
        matrix = store.observe([payment(9, at=10, amount=amount)])
        assert value(matrix, "customer_sum_1h") == float(Decimal(amount) * 3)
        assert value(matrix, "customer_deviation_1h") == 0
        assert value(matrix, "customer_ratio_median") == 1
