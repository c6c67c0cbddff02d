from dataclasses import fields
from decimal import Decimal

import numpy as np
import pytest

from ml.data.simulator import simulate
from ml.data.table import NEVER, UNKNOWN, Column, TransactionTable
from ml.domain.transaction import Transaction


@pytest.fixture(scope="module")
def table() -> TransactionTable:
    return simulate(customers=20, terminals=15, days=10, seed=2)


def same(left: TransactionTable, right: TransactionTable) -> bool:
    return list(left.to_transactions()) == list(right.to_transactions()) and all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("epoch_seconds", "arrived_at", "amount_units", "is_fraud", "label_known_at")
    )


def test_transactions_survive_the_round_trip(table: TransactionTable) -> None:
    again = TransactionTable.from_transactions(
        list(table.to_transactions()),
        is_fraud=table.is_fraud.tolist(),
        label_known_at=table.label_known_at.tolist(),
    )
    assert same(again, table)


def test_every_field_of_a_transaction_has_a_column_or_is_left_out_on_purpose() -> None:
    renamed = {"timestamp": "epoch_seconds", "amount": "amount_units"}
    left_out = {"ip", "metadata"}
    wanted = {renamed.get(name, name) for name in Transaction.model_fields} - left_out
    assert wanted <= {field.name for field in fields(TransactionTable)}


def test_optional_fields_may_be_missing() -> None:
    bare = Transaction(
        transaction_id="p",
        timestamp=5.9,
        customer_id="c",
        terminal_id="t",
        amount=Decimal("0.0001"),
        currency="JPY",
        channel="atm",
    )
    table = TransactionTable.from_transactions([bare])
    assert next(table.to_transactions()) == bare.model_copy(update={"timestamp": 5.0})
    assert (table.is_fraud[0], table.label_known_at[0]) == (UNKNOWN, NEVER)


def test_rows_are_sorted_whatever_order_they_come_in(table: TransactionTable) -> None:
    shuffled = list(table.to_transactions())
    np.random.default_rng(0).shuffle(shuffled)  # type: ignore[arg-type]
    again = TransactionTable.from_transactions(shuffled)
    assert (np.diff(again.epoch_seconds) >= 0).all()
    assert sorted(map(str, again.transaction_id)) == sorted(map(str, table.transaction_id))


def test_cutting_and_joining_gives_the_table_back(table: TransactionTable) -> None:
    middle = int(table.epoch_seconds[len(table) // 2])
    parts = [table.between(0, middle), table.between(middle, NEVER)]
    assert 0 < len(parts[0]) < len(table)
    assert same(TransactionTable.concat(parts), table)


def test_joining_mixes_integer_ids_with_texts_and_other_names(table: TransactionTable) -> None:
    other = TransactionTable.from_transactions(
        [item.model_copy(update={"transaction_id": f"x{item.transaction_id}"}) for item in table.to_transactions()]
    )
    joined = TransactionTable.concat([table, other])
    assert len(joined) == 2 * len(table)
    assert len(set(joined.transaction_id.tolist())) == len(joined)


def test_a_label_is_unknown_until_its_moment(table: TransactionTable) -> None:
    moment = int(table.label_known_at[50])
    known = table.fraud_known_at(moment)
    np.testing.assert_array_equal(known == UNKNOWN, table.label_known_at > moment)


def test_missing_texts_stay_missing_when_columns_are_joined() -> None:
    joined = Column.joined([Column.of(["a", None]), Column.constant(None, 1), Column.of(["b", "a"])])
    assert [joined.text(row) for row in range(5)] == ["a", None, None, "b", "a"]
