import pytest

from ml.domain.transaction import Transaction
from ml.stores.features.features_memory import MemoryFeatureStore
from ops.proving.bench.scale.population import Pool, Population
from tests.contracts.feature_store import value


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool.simulated()


def transactions(count: int) -> list[Transaction]:
    return [
        Transaction(
            transaction_id=f"t-{number}",
            timestamp=1_700_000_000 + 60 * number,
            customer_id="c",
            terminal_id="t",
            amount="10.00",
            currency="EUR",
            channel="pos",
        )
        for number in range(count)
    ]


def test_every_customer_and_terminal_has_a_history_of_its_own(pool: Pool) -> None:
    store, population = MemoryFeatureStore(), Population(1_500)
    assert population.fill(store, pool) == 1_500 + 1_000
    payments = population.payments(transactions(200), pool)
    matrix = store.observe(payments)
    counts = [value(matrix, "customer_count_30d", row) for row in range(len(payments))]
    assert sum(counts) / len(counts) > 20


def test_payments_go_on_where_the_histories_end_and_spread_over_the_population(pool: Pool) -> None:
    payments = Population(1_500).payments(transactions(500), pool)
    assert payments[0].timestamp == pool.until_seconds
    assert payments[1].timestamp - payments[0].timestamp == 60
    assert len({payment.customer_id for payment in payments}) > 350
    assert {int(payment.customer_id[1:]) < 1_500 for payment in payments} == {True}


def test_a_tenth_as_many_terminals_but_a_thousand_at_least() -> None:
    assert (Population(1_000).terminals, Population(1_000_000).terminals) == (1_000, 100_000)
