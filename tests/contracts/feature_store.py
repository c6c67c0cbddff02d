"""What every feature store does; subclasses name the adapter in a fixture `store`."""

from decimal import Decimal

import numpy as np
import pytest

from ml.domain.transaction import Transaction
from ml.features.definition import CUSTOMER_NEWEST, CUSTOMER_RETRY_SLACK, TERMINAL_NEWEST, TERMINAL_RETRY_SLACK
from ml.features.kernel import FeatureMatrix
from ml.features.schema import FEATURE_COUNT, FEATURE_NAMES, SEQUENCE_CHANNELS, SEQUENCE_LENGTH
from ml.stores.features.features import AppliedLabel, EntityState, FeatureStore
from ml.stores.features.features_memory import MemoryFeatureStore

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

    def test_counts_sums_means_and_rates_hold_for_a_busy_customer(self, store: FeatureStore) -> None:
        many = 3 * CUSTOMER_NEWEST
        store.observe([payment(number, at=number, amount=f"{number + 1}") for number in range(many)])
        matrix = store.observe([payment(many, at=many)])
        assert value(matrix, "customer_history") == many
        for window in ("1h", "1d", "7d", "30d"):
            assert value(matrix, f"customer_count_{window}") == many
            assert value(matrix, f"customer_sum_{window}") == many * (many + 1) / 2
            assert value(matrix, f"customer_mean_{window}") == (many + 1) / 2
        assert value(matrix, "customer_rate_per_day") == many
        assert value(matrix, "terminal_count_1d") == many

    def test_orders_and_extremes_are_about_the_newest_payments(self, store: FeatureStore) -> None:
        store.observe([payment(0, amount="1000")])
        store.observe([payment(number, at=number) for number in range(1, CUSTOMER_NEWEST)])
        before = store.observe([payment(CUSTOMER_NEWEST, at=CUSTOMER_NEWEST, amount="500")])
        after = store.observe([payment(CUSTOMER_NEWEST + 1, at=CUSTOMER_NEWEST + 1, amount="500")])
        assert value(before, "customer_ratio_max") == 0.5
        assert value(after, "customer_ratio_max") == 1

    def test_a_window_in_tiles_begins_at_the_nearest_border(self, store: FeatureStore) -> None:
        # START is midnight: one payment in each of these minutes of the first hour, then many to fold them.
        store.observe([payment(number, at=60 * number) for number in range(60)])
        at = 4 * 3600
        store.observe([payment(100 + number, at=at) for number in range(CUSTOMER_NEWEST)])
        for number, (hours, in_day) in enumerate([(24.4, True), (24.6, False)]):
            matrix = store.observe([payment(900 + number, at=int(hours * 3600))])
            assert value(matrix, "customer_count_1d") == CUSTOMER_NEWEST + (60 if in_day else 0) + number
            assert value(matrix, "customer_count_7d") == CUSTOMER_NEWEST + 60 + number

    def test_something_older_than_all_that_is_remembered_counts_in_its_own_tile(self, store: FeatureStore) -> None:
        late = CUSTOMER_NEWEST + CUSTOMER_RETRY_SLACK + 5
        store.observe([payment(number, at=3 * DAY + number) for number in range(late)])
        assert value(store.observe([payment(900, at=5, amount="9999")]), "customer_history") == 0
        store.observe([payment(1000 + number, at=3 * DAY + 100 + number) for number in range(CUSTOMER_NEWEST)])
        matrix = store.observe([payment(2000, at=3 * DAY + 1000)])
        assert value(matrix, "customer_sum_1d") == 10 * (late + CUSTOMER_NEWEST)
        assert value(matrix, "customer_sum_7d") == 10 * (late + CUSTOMER_NEWEST) + 9999

    @pytest.mark.parametrize("more", [1, CUSTOMER_RETRY_SLACK])
    def test_a_retry_sees_what_it_saw_although_newer_payments_came(self, store: FeatureStore, more: int) -> None:
        store.observe([payment(number, at=number) for number in range(2 * TERMINAL_NEWEST)])
        first = store.observe([payment(500, at=1000)])
        store.observe([payment(600 + number, at=900 + 70 * number, amount="777") for number in range(more)])
        again = store.observe([payment(500, at=1000)])
        np.testing.assert_array_equal(first.vectors, again.vectors)
        np.testing.assert_array_equal(first.sequences, again.sequences)

    @pytest.mark.parametrize("newer", [0, TERMINAL_NEWEST, TERMINAL_NEWEST + TERMINAL_RETRY_SLACK + 1])
    def test_a_label_counts_however_many_payments_came_since(self, store: FeatureStore, newer: int) -> None:
        fraud = payment(0)
        store.observe([fraud, *(payment(number, at=number) for number in range(1, newer + 1))])
        given = label(fraud, known_at=DAY + 5, amount_ratio=1.0)
        assert store.apply_labels([given]) == 1
        matrix = store.observe([payment(900, at=DAY + 3600)])
        for window in ("1d", "7d", "14d", "30d"):
            assert value(matrix, f"terminal_frauds_{window}") == 1
            assert value(matrix, f"terminal_ordinary_frauds_{window}") == 1
            assert value(matrix, f"terminal_fraud_share_{window}") == 1
        assert value(matrix, "customer_frauds_7d") == 1

    @pytest.mark.parametrize("newer", [TERMINAL_NEWEST, TERMINAL_NEWEST + TERMINAL_RETRY_SLACK + 1])
    def test_a_label_of_a_folded_payment_counts_from_the_end_of_its_hour(self, store: FeatureStore, newer: int) -> None:
        fraud = payment(0)
        store.observe([fraud, *(payment(number, at=number) for number in range(1, newer + 1))])
        store.apply_labels([label(fraud, known_at=DAY + 5)])
        assert value(store.observe([payment(900, at=DAY + 3599)]), "terminal_frauds_7d") == 0
        assert value(store.observe([payment(901, at=DAY + 3600)]), "terminal_frauds_7d") == 1

    def test_no_label_may_be_applied(self, store: FeatureStore) -> None:
        assert store.apply_labels([]) == 0

    def test_a_label_keeps_counting_when_its_payment_is_folded(self, store: FeatureStore) -> None:
        fraud = payment(0)
        store.observe([fraud])
        store.apply_labels([label(fraud, known_at=5)])
        many = TERMINAL_NEWEST + TERMINAL_RETRY_SLACK + 1
        counts = [
            value(store.observe([payment(number, at=4000 + number)]), "terminal_frauds_1d")
            for number in range(1, many + 1)
        ]
        assert counts == [1] * many

    @pytest.mark.parametrize("newer", [0, TERMINAL_NEWEST, TERMINAL_NEWEST + TERMINAL_RETRY_SLACK + 1])
    def test_a_label_delivered_twice_counts_once(self, store: FeatureStore, newer: int) -> None:
        fraud = payment(0)
        store.observe([fraud, *(payment(number, at=number) for number in range(1, newer + 1))])
        assert store.apply_labels([label(fraud, known_at=DAY)] * 2) == 2
        assert store.apply_labels([label(fraud, known_at=DAY)]) == 1
        matrix = store.observe([payment(900, at=2 * DAY)])
        assert (value(matrix, "terminal_frauds_7d"), value(matrix, "terminal_fraud_share_7d")) == (1, 1)

    def test_a_corrected_label_of_a_folded_payment_replaces_the_first(self, store: FeatureStore) -> None:
        fraud = payment(0)
        store.observe([fraud, *(payment(number, at=number) for number in range(1, TERMINAL_NEWEST + 1))])
        store.apply_labels([label(fraud, known_at=DAY), label(fraud, known_at=2 * DAY, is_fraud=False)])
        matrix = store.observe([payment(900, at=3 * DAY)])
        assert (value(matrix, "terminal_frauds_7d"), value(matrix, "terminal_fraud_age_days")) == (0, 60)

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
    def test_a_fraud_is_ordinary_if_its_customers_norm_does_not_explain_it(
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
    def test_without_a_ratio_the_customers_history_decides_what_is_ordinary(
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

    def test_many_labels_of_payments_that_are_gone_count_once_however_often_they_are_delivered(
        self, store: FeatureStore
    ) -> None:
        gone = self.labelled_long_ago(store, 40)
        labels = [label(item, known_at=2 * DAY, amount_ratio=9.0) for item in gone]
        for _ in range(3):
            assert store.apply_labels(labels) == len(labels)
        assert value(store.observe([payment(999, at=3 * DAY, customer="later")]), "terminal_frauds_7d") == 40

    def test_a_label_applied_while_its_payment_was_there_counts_once_when_it_is_gone(self, store: FeatureStore) -> None:
        self.pay(store, range(64), at=0)
        labels = [label(payment(number, at=0, customer=f"c{number}"), known_at=5) for number in range(40)]
        store.apply_labels(labels)
        self.pay(store, range(100, 200), at=60)
        store.apply_labels(labels)
        assert value(store.observe([payment(999, at=DAY, customer="later")]), "terminal_frauds_7d") == 40

    @pytest.mark.parametrize("is_reversed", [False, True])
    def test_a_payment_that_is_gone_gets_its_last_outcome_in_any_order(
        self, store: FeatureStore, *, is_reversed: bool
    ) -> None:
        gone = self.labelled_long_ago(store, 20)
        # Callers apply the label of record last, as `LabelSink` does.
        corrections = [label(item, known_at=2 * DAY + 60, is_fraud=False) for item in gone]
        frauds = [label(item, known_at=2 * DAY, amount_ratio=9.0) for item in gone]
        for labels in (corrections, frauds, corrections) if is_reversed else (frauds, corrections, corrections):
            store.apply_labels(labels)
        later = store.observe([payment(999, at=3 * DAY, customer="later")])
        assert value(later, "terminal_frauds_7d") == 0

    def labelled_long_ago(self, store: FeatureStore, many: int) -> list[Transaction]:
        """Returns payments that the terminal's history no longer holds one by one."""
        self.pay(store, range(many), at=0)
        self.pay(store, range(1_000, 1_100), at=60)
        return [payment(number, at=0, customer=f"c{number}") for number in range(many)]

    def pay(self, store: FeatureStore, numbers: range, *, at: int) -> None:
        store.observe([payment(number, at=at, customer=f"c{number}") for number in numbers])
