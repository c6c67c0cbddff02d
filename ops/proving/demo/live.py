"""The requests of the demo: the transactions of the days after training, and some that must be refused."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from ml.data.table import FRAUD, TransactionTable
from ml.domain.errors import DataError
from ml.domain.transaction import Transaction
from ops.proving.traffic import Shot

SCORE_PATH = "/predictions/score"
MALFORMED = 20
UNSIGNED = 20
_REPLAY_DISTANCE = 50  # requests between the original and its replay

VALID, REPLAYED_ORIGINAL = "valid", "valid, replayed later"


@dataclass(frozen=True)
class LiveTraffic:
    """What is sent.

    Attributes:
        shots: the requests in order of sending.
        is_fraud: the truth about each valid transaction by its id.
        transactions: each valid transaction by its id.
        expected_refusals: how many requests of each kind must be refused.
    """

    shots: tuple[Shot, ...]
    is_fraud: dict[str, bool]
    transactions: dict[str, Transaction]
    expected_refusals: dict[str, int]


def build_traffic(table: TransactionTable, *, run: str, seed: int = 1) -> LiveTraffic:
    """Returns the traffic of the table's transactions, in their order, with refusals strewn in.

    Args:
        table: the transactions; their event times are kept.
        run: put before every transaction id, so that runs against the same servers do not meet.
        seed: of the places where requests that must be refused stand.

    Raises:
        ml.domain.errors.DataError: there are too few transactions.
    """
    if len(table) <= _REPLAY_DISTANCE:
        raise DataError(f"The demo needs more than {_REPLAY_DISTANCE} transactions to score, there are {len(table)}.")
    transactions = [
        transaction.model_copy(update={"transaction_id": f"{run}-{transaction.transaction_id}"})
        for transaction in table.to_transactions()
    ]
    shots = [Shot(VALID, SCORE_PATH, _body(transaction)) for transaction in transactions]
    chance = random.Random(seed)  # noqa: S311 - places requests, protects nothing
    # Among the first: on a busy machine the last ones leave late, and a signature of this age would be refused for it.
    replayed = chance.randrange(min(_REPLAY_DISTANCE, len(shots) - _REPLAY_DISTANCE))
    # Signed for one fixed second, so that the second sending is the first one, byte for byte.
    original = Shot(REPLAYED_ORIGINAL, SCORE_PATH, shots[replayed].body, timestamp=int(time.time()))
    shots[replayed] = original
    replay = replace(original, kind="replayed", is_replay=True)
    shots.insert(replayed + _REPLAY_DISTANCE, replay)
    for number, shot in enumerate([*_malformed(transactions), *_unsigned(transactions)]):
        # A fresh id: were one of these accepted, it would be counted and not hide behind a valid request.
        body = shot.body.replace(f"{run}-".encode(), f"{run}-refused{number}-".encode(), 1)
        shots.insert(chance.randrange(len(shots) + 1), Shot(shot.kind, shot.path, body, is_signed=shot.is_signed))
    return LiveTraffic(
        shots=tuple(shots),
        is_fraud={
            transaction.transaction_id: bool(label == FRAUD)
            for transaction, label in zip(transactions, table.is_fraud, strict=True)
        },
        transactions={transaction.transaction_id: transaction for transaction in transactions},
        expected_refusals={"malformed": MALFORMED, "unsigned": UNSIGNED, "replayed": 1},
    )


def _body(transaction: Transaction) -> bytes:
    return orjson.dumps(transaction.wire())


def _malformed(transactions: Sequence[Transaction]) -> list[Shot]:
    """Returns requests that are signed and yet no transaction, each kind of fault in turn."""
    bodies = []
    for number, transaction in enumerate(transactions[:MALFORMED]):
        wire = transaction.wire()
        faults: tuple[bytes, ...] = (
            orjson.dumps(wire | {"amount": "-5.00"}),
            orjson.dumps(wire | {"colour": "red"}),
            orjson.dumps({key: value for key, value in wire.items() if key != "customer_id"}),
            orjson.dumps(wire)[:-1],
            orjson.dumps(wire | {"amount": 0}).replace(b'"amount":0', b'"amount":NaN'),
        )
        bodies.append(faults[number % len(faults)])
    return [Shot("malformed", SCORE_PATH, body) for body in bodies]


def _unsigned(transactions: Sequence[Transaction]) -> list[Shot]:
    return [
        Shot("unsigned", SCORE_PATH, _body(transaction), is_signed=False) for transaction in transactions[:UNSIGNED]
    ]
