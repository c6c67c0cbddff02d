from collections import Counter

import orjson
import pytest

from ml.data.simulator import simulate
from ml.data.table import FRAUD, TransactionTable
from ml.domain.errors import DataError
from ml.domain.transaction import Transaction
from ops.proving.demo.live import MALFORMED, REPLAYED_ORIGINAL, UNSIGNED, VALID, build_traffic


@pytest.fixture(scope="module")
def table() -> TransactionTable:
    return simulate(customers=100, terminals=100, days=3, seed=3).select(slice(0, 300))


def test_every_transaction_is_sent_once_and_in_order(table: TransactionTable) -> None:
    traffic = build_traffic(table, run="r1")
    sent = [
        orjson.loads(shot.body)["transaction_id"] for shot in traffic.shots if shot.kind in {VALID, REPLAYED_ORIGINAL}
    ]
    assert sent == [f"r1-{transaction_id}" for transaction_id in table.transaction_id]
    assert list(traffic.transactions) == sent
    assert sum(traffic.is_fraud.values()) == int((table.is_fraud == FRAUD).sum())


def test_what_must_be_refused_is_among_it(table: TransactionTable) -> None:
    kinds = Counter(shot.kind for shot in build_traffic(table, run="r1").shots)
    assert kinds["malformed"] == MALFORMED
    assert kinds["unsigned"] == UNSIGNED
    assert kinds["replayed"] == kinds[REPLAYED_ORIGINAL] == 1


def test_the_replay_comes_later_with_the_same_body_and_time(table: TransactionTable) -> None:
    shots = build_traffic(table, run="r1").shots
    original, replay = (
        next(position for position, shot in enumerate(shots) if shot.kind == kind)
        for kind in (REPLAYED_ORIGINAL, "replayed")
    )
    assert original < replay
    assert (shots[original].body, shots[original].timestamp) == (shots[replay].body, shots[replay].timestamp)
    assert shots[replay].timestamp is not None


def test_malformed_bodies_are_no_transactions(table: TransactionTable) -> None:
    for shot in build_traffic(table, run="r1").shots:
        if shot.kind == "malformed":
            with pytest.raises(ValueError):  # noqa: PT011 - JSON and validation errors alike
                Transaction.model_validate(orjson.loads(shot.body))


def test_refused_requests_have_ids_of_their_own(table: TransactionTable) -> None:
    traffic = build_traffic(table, run="r1")
    for shot in traffic.shots:
        if shot.kind == "unsigned":
            assert orjson.loads(shot.body)["transaction_id"] not in traffic.transactions


def test_too_few_transactions_are_one_sentence(table: TransactionTable) -> None:
    with pytest.raises(DataError, match="needs more than"):
        build_traffic(table.select(slice(0, 10)), run="r1")


def test_the_request_that_is_signed_beforehand_leaves_early_enough_for_its_signature(table: TransactionTable) -> None:
    for seed in range(20):
        shots = build_traffic(table, run="r1", seed=seed).shots
        assert next(place for place, shot in enumerate(shots) if shot.kind == "replayed") <= 150
