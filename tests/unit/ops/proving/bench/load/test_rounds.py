import numpy as np
import orjson
import pytest

from ml.domain.transaction import Transaction
from ops.proving.bench.latency.paths import (
    SHRIKE,
)
from ops.proving.bench.load import rounds
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.load.loops import LoadResult
from ops.proving.bench.load.requests import Signer, TransactionSupply, single_requests
from ops.proving.bench.load.rounds import WrongAnswerError

KEY = b"k" * 32


def transaction(number: int) -> Transaction:
    return Transaction.model_validate(
        {
            "transaction_id": f"t{number}",
            "timestamp": 1_000 + number,
            "customer_id": "c",
            "terminal_id": "m",
            "amount": 1,
            "currency": "EUR",
            "channel": "pos",
        }
    )


def test_a_supply_repeats_its_days_later_and_never_an_id() -> None:
    supply = TransactionSupply([transaction(0), transaction(1)], span_seconds=100)
    first = supply.take(3, name="a")
    assert [item.transaction_id for item in first] == ["a-0", "a-1", "a-2"]
    assert [item.timestamp for item in first] == [1_000, 1_001, 1_100]
    supply.advance(3)
    assert supply.take(1, name="a")[0].transaction_id == "a-3"


def test_a_request_is_complete_and_signed() -> None:
    (request,) = single_requests(Signer("token", KEY), [transaction(1)])
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"X-Request-Signature: " in head
    assert orjson.loads(body)["transaction_id"] == "t1"


@pytest.mark.parametrize(
    "answer",
    [
        {"transaction_id": "other", "score": 0.5},
        {"transaction_id": "t0", "score": 1.5},
        {"transaction_id": "t0"},
    ],
)
def test_an_answer_for_somebody_else_or_without_a_score_ends_the_benchmark(answer: dict[str, object]) -> None:
    result = LoadResult(np.array([0.1]), np.array([200]), [orjson.dumps(answer)], 1.0)
    with pytest.raises(WrongAnswerError):
        rounds._check(Contender(SHRIKE, "h", 1, {}), [transaction(0)], result)
