import time

import numpy as np
import pytest

from ml.data.simulator import Patterns, simulate
from ml.data.table import FRAUD, TransactionTable
from ml.domain.durations import DAY_SECONDS


@pytest.fixture(scope="module")
def table() -> TransactionTable:
    return simulate(customers=1_500, terminals=2_500, days=60, seed=1)


def test_the_same_seed_gives_the_same_table() -> None:
    first, second = (simulate(customers=30, terminals=30, days=10, seed=9) for _ in range(2))
    assert list(first.to_transactions()) == list(second.to_transactions())
    assert len(simulate(customers=30, terminals=30, days=10, seed=8)) != len(first)


def test_about_two_payments_a_day_and_one_percent_fraud(table: TransactionTable) -> None:
    assert 1.6 < len(table) / (1_500 * 60) < 2.2
    assert 0.005 < (table.is_fraud == FRAUD).mean() < 0.02
    assert set(table.scenario.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(table.is_fraud == FRAUD, table.scenario > 0)


def test_rows_lie_in_the_asked_days_and_labels_follow(table: TransactionTable) -> None:
    assert table.epoch_seconds[0] >= 1_767_225_600
    assert table.epoch_seconds[-1] < 1_767_225_600 + 60 * DAY_SECONDS
    np.testing.assert_array_equal(table.label_known_at - table.epoch_seconds, 7 * DAY_SECONDS)


def test_large_payments_are_always_fraud(table: TransactionTable) -> None:
    large = table.amount_units > 2_205_000
    assert large.any()
    assert (table.is_fraud[large] == FRAUD).all()


def test_a_compromised_terminal_has_only_fraud_for_its_days() -> None:
    patterns = Patterns(amount_limit=1e6, customers_per_day=0.0, terminals_per_day=0.002, terminal_days=20)
    table = simulate(customers=300, terminals=100, days=50, seed=4, patterns=patterns)
    day = table.epoch_seconds // DAY_SECONDS
    for code in np.unique(table.terminal_id.codes[table.is_fraud == FRAUD]):
        here = table.terminal_id.codes == code
        for today in np.unique(day[here]):
            assert len(set(table.is_fraud[here & (day == today)].tolist())) == 1


def test_a_robbed_customer_pays_several_times_the_usual(table: TransactionTable) -> None:
    victims = np.unique(table.customer_id.codes[table.scenario == 3])
    of_victims = np.isin(table.customer_id.codes, victims)
    usual = table.amount_units[of_victims & (table.scenario == 0)].mean()
    assert 3.5 < table.amount_units[table.scenario == 3].mean() / usual < 6.5


def test_thieves_show_unseen_devices_and_countries(table: TransactionTable) -> None:
    seen: set[tuple[int, int]] = set()
    is_new = np.zeros(len(table), bool)
    for row, pair in enumerate(zip(table.customer_id.codes.tolist(), table.device_id.codes.tolist(), strict=True)):
        is_new[row] = pair[1] >= 0 and pair not in seen
        seen.add(pair)
    late = (table.epoch_seconds > table.epoch_seconds[-1] - 20 * DAY_SECONDS) & (table.device_id.codes >= 0)
    assert is_new[late & (table.scenario == 3)].mean() > 5 * is_new[late & (table.scenario == 0)].mean()


def test_every_customer_has_favourite_terminals(table: TransactionTable) -> None:
    pairs = np.unique(np.stack([table.customer_id.codes, table.terminal_id.codes]), axis=1)
    assert pairs.shape[1] < 0.7 * len(table)


@pytest.mark.slow
def test_a_million_transactions_take_less_than_a_minute() -> None:
    started = time.perf_counter()
    table = simulate(customers=5_000, terminals=10_000, days=108, seed=1)
    assert len(table) > 1_000_000
    assert time.perf_counter() - started < 60
